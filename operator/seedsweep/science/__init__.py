"""Pure statistics of recorded sweeps: numbers in, numbers out, each with what it was computed from."""
