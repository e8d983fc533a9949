"""How good a result is: by pixels, by objects."""
