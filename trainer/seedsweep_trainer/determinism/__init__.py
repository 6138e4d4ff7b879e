"""What makes equal seeds give equal bits: seeds, generators and the arithmetic of this machine."""
