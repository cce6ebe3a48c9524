"""Ground floor: the words that serving, training, export and load testing share."""

__version__ = "0.1.0"
