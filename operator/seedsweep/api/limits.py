"""Limits that the contract has too; a trainer starts without loading the types."""

MAX_EVALUATIONS = 300
"""Evaluations of one episode: as many as a pod's 4 KB termination message holds with their losses."""
