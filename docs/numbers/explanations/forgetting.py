"""The numbers of docs/explanations/forgetting.md: of formulas and settings; nothing on it was measured."""

from __future__ import annotations

STATED = [
    "`frontier: {sequential-full: [0.00005, 0.0001]}`",
    "mean ± t(0.975, n − 1) · s / √n",
    "| p < 0.05 | two one-sided tests against the margin, after Holm, p < 0.05 |",
    "with probability 0.8, from the spread so far and the level 0.05 ÷ number of undecided comparisons",
    "6 to 12 % of cases",  # docs/evidence/declared-tests.md
]


def pieces() -> tuple[str, ...]:
    """Return nothing."""
    return ()
