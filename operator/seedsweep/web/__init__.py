"""A live page of a sweep, served to this machine's own browsers while `run` or `watch` shows it."""
