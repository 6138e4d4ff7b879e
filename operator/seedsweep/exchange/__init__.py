"""Runs that others recorded become records of ours, and ours become tables for others."""
