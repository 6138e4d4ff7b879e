"""The folder of a run and the record in it."""
