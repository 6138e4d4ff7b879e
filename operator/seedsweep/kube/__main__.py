"""`python -m seedsweep.kube`: the operator, as its image starts it."""

from seedsweep.cli import main

if __name__ == "__main__":
    main(["operator"])
