"""What a record says, in words, figures and pages. Imported late: figures and statistics load slowly."""
