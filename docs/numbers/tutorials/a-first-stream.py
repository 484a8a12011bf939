"""The numbers of docs/a-first-stream.md: its sentences repeat some of the session that it shows; no file keeps them."""

from __future__ import annotations

STATED = [
    "p is below 0.05.",
    "the difference of 2.8 points may be chance.",
    "Here `tickets` fell from 100.0 to 92.8",
    "stores 1.2 MB for four tasks.",
]


def pieces() -> tuple[str, ...]:
    """Return nothing: a page of first steps shows its own session, and no file in docs/results has it."""
    return ()
