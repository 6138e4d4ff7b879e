"""What is put on record: attempts, scores, verdicts, cuts. The first step of a plan."""
