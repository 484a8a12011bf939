"""What docs/in-your-trainer.md says in numbers: settings, and what a test needs to be sure, from its formula."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.measures.paired_scores import chance_of_more

if TYPE_CHECKING:
    from collections.abc import Iterator

STATED = [
    "`max_forgetting=2.0` stops the training",
    "is stopped with a chance of 5 % at most",
]
ROWS, STAGES, BOUND = 200, 3, 0.02


def pieces() -> Iterator[str]:
    """Yield the smallest loss that stops a training at the first of its stages."""
    yield (
        f"with {ROWS} rows, and nothing gained elsewhere, the first look of three stops at a loss of about "
        f"{smallest_loss():.1f} points and the bound 2"
    )


def smallest_loss() -> float:
    """Return the smallest loss, in points, that is said to be more than the bound."""
    before = np.ones(ROWS)
    for lost in range(ROWS):
        p = chance_of_more(before, np.where(np.arange(ROWS) < lost, 0.0, 1.0), BOUND)
        if p is not None and STAGES * p < 0.05:
            return 100 * lost / ROWS
    raise ValueError("no loss stops a training")
