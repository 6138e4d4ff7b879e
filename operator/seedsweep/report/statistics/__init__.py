"""Which statistics a record can carry, each with what it was computed from, or why it cannot."""
