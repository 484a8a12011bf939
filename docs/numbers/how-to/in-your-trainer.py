"""What docs/how-to/in-your-trainer.md says in numbers: settings, and what a test needs to be sure, from its formula."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from measured import read, require

from adapter_workbench.workbench.measures.paired_scores import chance_of_more

if TYPE_CHECKING:
    from collections.abc import Iterator

STATED = [
    "`max_forgetting=2.0` stops the training",
    "is stopped with a chance of 5 % at most",
]
ROWS, STAGES, BOUND = 200, 3, 0.02
MOST = 0.05  # of the memory of a training that is not watched


def pieces() -> Iterator[str]:
    """Yield what memory measuring takes, and the smallest loss that stops a training at the first of its stages."""
    yield memory()
    yield (
        f"with one task, {ROWS} rows, three planned stages and a bound of 2, a stage stops the training only at a loss "
        f"of about {smallest_loss():.1f} points"
    )


def memory() -> str:
    """Return the peaks of SmolLM2's training with the callback and without it."""
    trainings, parts = read("watching")["trainings"], []
    for way, called in (("lora", "a LoRA"), ("full", "all weights")):
        plain, watched = trainings[way], trainings[f"{way}, watched"]
        require(plain["losses"] == watched["losses"], "a training that is watched has the same losses")
        more = watched["peak_mb"] / plain["peak_mb"] - 1
        require(0 <= more <= MOST, f"measuring takes at most {MOST:.0%} of the memory")
        parts.append(
            f"for {called}, {plain['peak_mb']:,} MB and {watched['peak_mb']:,} MB with the callback ({more:.1%})"
        )
    return "; ".join(parts).replace("%", " %")


def smallest_loss() -> float:
    """Return the smallest loss, in points, that is said to be more than the bound."""
    before = np.ones(ROWS)
    for lost in range(ROWS):
        p = chance_of_more(before, np.where(np.arange(ROWS) < lost, 0.0, 1.0), BOUND)
        if p is not None and STAGES * p < 0.05:
            return 100 * lost / ROWS
    raise ValueError("no loss stops a training")
