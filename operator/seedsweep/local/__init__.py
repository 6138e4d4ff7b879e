"""A sweep on this machine: processes instead of pods, a folder instead of the API server."""
