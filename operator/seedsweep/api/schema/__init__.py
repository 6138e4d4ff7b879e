"""What is written from the types: the CustomResourceDefinitions and docs/sweep.md."""
