"""Experiments: recipes, strategies, runs, reports, and the command line. The top of the house."""
