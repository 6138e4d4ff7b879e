"""From text to types: a file of a user's, and what an operator wrote, whichever release it was."""
