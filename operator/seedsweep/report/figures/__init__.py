"""The figures of a report: what each shows, and what they are drawn from."""
