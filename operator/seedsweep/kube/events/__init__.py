"""Transitions as Kubernetes Events."""
