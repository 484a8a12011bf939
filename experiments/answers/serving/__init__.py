"""Answers over HTTP: one backbone in memory, and adapters that can be added and taken out while it answers.

``server`` (socket, signals) → ``app`` (what is asked for over HTTP) → ``guard`` (who may ask, how much), ``service``
(what is served, and the queue before it) → ``current`` (adapters and router, open) → ``selection`` (which they are).
"""
