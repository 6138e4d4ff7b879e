"""The trainer's side of SeedSweep: a fine-tuning loop, and the Reporter that any Python loop can use.

Importing this package imports neither torch nor transformers: a warm worker decides itself when to pay for them.
"""
