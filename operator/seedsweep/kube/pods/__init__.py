"""Pods of episodes: made, understood, and followed from their start to their end."""
