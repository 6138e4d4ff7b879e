"""A data set: from files or a hub to tokens, labels and the metric that they are scored by."""
