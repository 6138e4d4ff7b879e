"""Which seed matters, and whether tasks agree on the good ones."""
