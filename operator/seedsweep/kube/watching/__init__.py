"""The watches, and whether they still tell the truth."""
