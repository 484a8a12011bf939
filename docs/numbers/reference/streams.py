"""The numbers of docs/reference/streams.md: settings."""

from __future__ import annotations

STATED = [
    "| `overlap` | 0.3 in `blurry` |",  # experiments/scenarios/blurry.py
    "the smallest k with tests below 15 % of the passes",  # experiments/studies/stream/plan/orders.py
]


def pieces() -> tuple[str, ...]:
    """Return nothing."""
    return ()
