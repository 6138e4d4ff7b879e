"""What Python code imports from `seedsweep`: `load` and `run`, in a notebook and in a script."""
