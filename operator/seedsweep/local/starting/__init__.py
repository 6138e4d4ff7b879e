"""A first sweep for one's own data: what is in a file, and a sweep written for it."""
