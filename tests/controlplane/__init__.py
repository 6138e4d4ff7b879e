"""A package, so that the control plane ends with the last test that uses it: an idle one takes processor time."""
