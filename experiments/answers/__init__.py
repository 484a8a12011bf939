"""Answers of stored adapters: which one a name means, and what it says of new texts."""
