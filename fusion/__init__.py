"""Composing adapters that exist."""
