"""How an entry did: in each place, with K examples, and over all K."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.workbench.adapters.fit_record import FitRecord


@dataclass(frozen=True)
class TrialScores:
    """How one model of an entry did, that of one target, K and seed.

    Attributes:
        target, shots, seed: its place.
        score: the main metric on the test split, in [0, 1].
        validation: the same on the K validation examples; None without examples.
        validation_log_likelihood: mean over these examples, in nats; None where it is not known. Between equal
            validation scores it decides what validation picks.
    """

    target: str
    shots: int
    seed: int
    score: float
    validation: float | None
    validation_log_likelihood: float | None


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
