"""The numbers of docs/evidence/preregistered.md: each hypothesis beside its contrasts, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator

import measured_designs
from measured import mean, number, read

STATED: list[str] = []
SCREENED = ("same-group-fourteen", "same-group-six")


def pieces() -> Iterator[str]:
    """Yield the rows of the table of hypotheses, and what the screen of design (d) found."""
    yield from measured_designs.pieces()
    few = [read(f"headroom-{shots}")["methods"]["head"]["tasks"] for shots in (16, 64)]
    low, *_, high = sorted(tasks[task]["mean"] for tasks in few for task in SCREENED)
    source, target = (mean(read("headroom")["methods"]["head"]["tasks"][task]) for task in SCREENED)
    many = f"with 4,000 pairs {source} % on the source's task and {target} % on the target"
    yield f"With 16 and 64 pairs a head scored {number(low)} to {number(high)} %, {many}"
