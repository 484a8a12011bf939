"""How an entry did, with K examples or over all K."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from experiments.reporting.differences import Difference
    from workbench.adapters.fit_record import FitRecord


@dataclass(frozen=True)
class EntryScores:
    """How an entry did with K examples, or over all K: means over targets and seeds; None where nothing is known.

    Attributes:
        score: test score in [0, 1].
        targets: the same by target.
        validation: score on the validation split.
        gain: minus the reference's, at equal targets and seeds.
        fits: behind all of it, one for each target and seed.
    """

    score: float | None
    targets: Mapping[str, float | None]
    validation: float | None
    gain: Difference | None
    fits: tuple[FitRecord, ...] = ()
