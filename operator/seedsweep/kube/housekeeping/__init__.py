"""Pods that do what must be done in a sweep's storage, while it lives and after."""
