"""The numbers of docs/explanations/strategies.md: settings; what was measured of strategies is in docs/evidence."""

from __future__ import annotations

STATED = [
    "and 0.1 from the tenth task on",  # fusion/updates/reptile.py
    "| `overlap` | 0.3 in `blurry` |",  # experiments/scenarios/blurry.py
    "the smallest k with tests below 15 % of the passes",  # experiments/studies/stream/plan/orders.py
]


def pieces() -> tuple[str, ...]:
    """Return nothing."""
    return ()
