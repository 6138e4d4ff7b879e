"""The pre-trained model: found, loaded, initialised."""
