"""Trainers' metrics, read all on one event loop."""
