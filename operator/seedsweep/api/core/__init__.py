"""The parts of Kubernetes' own types that a sweep may carry, under their own names."""
