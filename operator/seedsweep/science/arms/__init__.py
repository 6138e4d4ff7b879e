"""Two arms, with and without a change: their difference, and how many runs tell it."""
