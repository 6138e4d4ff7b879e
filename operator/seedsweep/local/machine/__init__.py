"""What this machine has: places, GPUs, cores and ports."""
