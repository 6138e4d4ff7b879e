"""What people ask of several records: `plan` a sweep from others, `compare` two, look for good `seeds`."""
