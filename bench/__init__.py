"""Measurements behind the defaults, and this project beside its peers.

Each module with a ``main`` is a program: ``python -m bench.NAME``, in a checkout of this project. Programs may import
everything; nothing imports them, and no wheel has them.
"""
