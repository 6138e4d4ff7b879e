"""What a report says of a record in words, beyond its tables."""
