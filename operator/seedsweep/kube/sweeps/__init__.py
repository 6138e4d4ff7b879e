"""Sweeps: which there are, the task of each, and what its world is."""
