"""When to stop losers: what a plan is worth, what speaks for a cut, and what it cost."""
