"""Repairs tried on the shared weights of finished streams, and what they bring back."""
