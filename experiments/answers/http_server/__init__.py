"""Answers over HTTP: one backbone in memory, and adapters that can be added and taken out while it answers.

``server`` (socket, signals, bounds on slow clients) → ``app`` (what is asked for over HTTP; before it ``admission``:
who may ask, and how much may be sent; ``errors``) → ``service`` (what is served, and the queue before it) → ``current``
(adapters and router, open) → ``selection`` (which they are).
"""
