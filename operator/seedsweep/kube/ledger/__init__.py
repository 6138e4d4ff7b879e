"""What is on record of a sweep: its status, its Episodes and Cuts."""
