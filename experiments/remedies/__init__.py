"""Remedies against forgetting in other people's trainers: the objects of ``strategies``, moved by callbacks."""
