"""The numbers of docs/forgetting.md: of formulas and settings; nothing on it was measured."""

from __future__ import annotations

STATED = [
    "With more than 15 tasks, or more than 150 rows in all matrices together",  # studies/stream/page/long_streams.py
    "the middle 80 % of the tasks",  # experiments/studies/stream/page/long_figures.py
    "mean ± t(0.975, n − 1) · s / √n",
    "p < 0.05",
    "would decide each with a probability\nof 0.8",
    "the level 0.05 ÷ number of undecided comparisons",
    "6 to 12 % of cases",
]


def pieces() -> tuple[str, ...]:
    """Return nothing."""
    return ()
