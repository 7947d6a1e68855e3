"""The version, in a file of its own so that no module has to import the whole package for it."""

__version__ = "0.1.0"
