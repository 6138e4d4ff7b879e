"""What an attempt is asked to do, and what it reports: for our trainer, and for any other Python loop."""
