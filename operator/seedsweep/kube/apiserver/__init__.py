"""The API server as the operator asks it: bounded, patient, and gated where it refuses."""
