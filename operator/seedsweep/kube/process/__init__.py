"""What every task of the operator needs: its log, its counters and the word for its live view."""
