"""What an attempt saves of its episode, when, and how it is restored."""
