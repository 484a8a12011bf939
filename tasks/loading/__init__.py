"""Tasks by name, with their data in hand: registry, cache, unions. Imports rows."""
