"""The numbers of docs/explanations/fusion.md; what was measured of fusion is in docs/evidence."""

from __future__ import annotations

STATED = [
    "`--set weights=[0.7,0.3]`",
    # how far two rules lie apart, measured on LoRAs and kept in no file
    "k ÷ min(out, in) as large in the paper (0.08 for our LoRAs)",
]


def pieces() -> tuple[str, ...]:
    """Return nothing."""
    return ()
