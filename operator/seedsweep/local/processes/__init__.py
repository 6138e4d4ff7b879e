"""One attempt: what it starts with, what starts it, and how it ended."""
