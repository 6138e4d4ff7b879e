"""What the API server checks by itself: rules in CEL, from the types."""
