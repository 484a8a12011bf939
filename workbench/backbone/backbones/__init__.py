"""Backbones that work by name, one YAML file each."""
