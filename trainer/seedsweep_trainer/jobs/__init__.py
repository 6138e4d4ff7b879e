"""What the commands of `python -m seedsweep_trainer` do."""
