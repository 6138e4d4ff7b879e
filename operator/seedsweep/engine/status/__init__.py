"""What people read: conditions, the phase, and why nothing happens where nothing does."""
