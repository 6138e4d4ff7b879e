"""What follows from the record: who is where, who is best, what is left to do. They change nothing."""
