"""Answers over HTTP: one backbone in memory, and adapters that can be added and taken out while it answers.

``server`` (socket, signals) → ``connection`` (bounds on slow clients) → ``guard`` (``admission``: who may ask;
``body``: how much) → ``app`` (what is asked for over HTTP; ``errors``, ``welcome``) → ``service`` (what is served, and
the queue before it) → ``current`` (adapters and router, open) → ``selection`` (which they are).
"""
