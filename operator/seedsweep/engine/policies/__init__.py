"""Who starts, who is paused, who is stopped, and what becomes of the storage."""
