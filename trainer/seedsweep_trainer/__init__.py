"""The trainer's side of SeedSweep: a fine-tuning loop, and the Reporter that any Python loop can use.

Importing this package imports neither torch nor transformers, so that the operator can read the
names in `contract` and a warm worker decides itself when to pay for them.
"""
