"""What every task of the operator needs: its log, its counters, the word for its live view, and new tries."""
