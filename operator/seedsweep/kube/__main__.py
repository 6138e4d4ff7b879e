"""`python -m seedsweep.kube`: the operator, as its image starts it."""

import sys

from seedsweep.cli import main

if __name__ == "__main__":
    main(["operator", *sys.argv[1:]])
