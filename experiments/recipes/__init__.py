"""Shipped recipes, one YAML file each; the header comment is the exact command."""
