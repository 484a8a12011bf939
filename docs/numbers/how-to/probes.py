"""The numbers of docs/how-to/probes.md."""

from __future__ import annotations

STATED = [
    # definitions and settings
    "the standard error is up to 4.4 points (√(¼ ÷ 128))",
    "a seeded 15 % of tokens",
    # measured on 2026-11-25 by the commands below the table, kept in no file
    "| `linear` | 6.1 (7 %) | 6.5 (8 %) | 15.0 (15 %) |",
    "| `knn` | 7.9 (9 %) | 7.5 (9 %) | 16.5 (17 %) |",
    "| `head-refit` | 6.2 (7 %) | 6.8 (8 %) | 16.2 (16 %) |",
    "| `cka` (states right after learning known) | 0.8 (1 %) | 0.4 (0 %) | 10.0 (10 %) |",
    "| `weight-drift` | 1.3 (1 %) | 1.0 (1 %) | 10.2 (10 %) |",
    "| `intruder` | 4.5 (5 %) | 0.9 (1 %) | 8.8 (9 %) |",
    "| `calibration` | 0.9 (1 %) | 0.5 (1 %) | 0.8 (1 %) |",
    "| `agreement` | 0.7 (1 %) | 0.4 (0 %) | 1.1 (1 %) |",
    "On isolated adapters every probe takes at most 10 % of training.",
]


def pieces() -> tuple[str, ...]:
    """Return nothing: no file holds what probes cost."""
    return ()
