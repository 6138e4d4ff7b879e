"""The rules: pure decisions from facts and a clock value. No I/O, no logging, nothing of ours but api."""
