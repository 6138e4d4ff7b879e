"""The operator's process: its start, its log, its port, and tasks that must not end."""
