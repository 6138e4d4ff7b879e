"""The version of this release: of the package, its images and its chart."""

__version__ = "0.1.0"
