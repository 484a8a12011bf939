"""Measurements behind the defaults, and this project beside its peers. Each module is a program."""
