"""Whether a task has rows enough for its scores to mean something."""

from __future__ import annotations

from collections.abc import Mapping

ENOUGH = {"train": 20, "validation": 10, "test": 30}  # examples: with fewer, a score is mostly chance
ROWS = 150  # of which a fifth is enough to test on


def too_small(sizes: Mapping[str, int]) -> list[str]:
    """Return the splits with too few examples, given how many examples each has."""
    return [split for split, least in ENOUGH.items() if sizes.get(split, 0) < least]


def sentence(sizes: Mapping[str, int]) -> str | None:
    """Return that splits are too small and what follows from it; None where none is."""
    if not (small := too_small(sizes)):
        return None
    listed = ", ".join(f"{split} has {sizes[split]:,}" for split in small)
    step = f" (one test example is {100 / sizes['test']:.3g} points)" if "test" in small else ""
    return f"{listed}. Scores are mostly chance{step}: {ROWS} rows are a beginning, several hundred are better."
