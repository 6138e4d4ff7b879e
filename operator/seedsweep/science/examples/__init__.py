"""Models on the same validation examples: which of their differences are the draw of the examples."""
