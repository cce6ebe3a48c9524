"""Ground floor: the words that serving, training, export and load testing share."""
