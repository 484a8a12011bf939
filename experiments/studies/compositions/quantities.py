"""The quantities of a comparison of compositions: of an entry with K examples, mean over targets and seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.cells import decimals, written
from adapter_workbench.experiments.reporting.presentation import Column, Medium
from adapter_workbench.experiments.studies.core import fit_quantities as fit
from adapter_workbench.experiments.studies.core.quantity import Quantity
from adapter_workbench.experiments.studies.core.reference import Declared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.studies.compositions.entry_scores import EntryScores
    from adapter_workbench.workbench.adapters.fit_record import FitRecord

PAGE = Medium.PAGE


def _mean(quantity: Quantity[FitRecord]) -> Quantity[EntryScores]:
    def fits(scores: EntryScores) -> Iterator[tuple[FitRecord]]:
        yield from ((record,) for record in scores.fits)

    return quantity.over(fits)


_STEPS: Quantity[FitRecord] = Quantity(
    "steps", "count", lambda record: record.steps, written(decimals(0)), "optimiser steps", json=""
)
SCORE: Quantity[EntryScores] = Quantity(
    "score",
    "share",
    lambda scores: scores.score,
    written(),
    "the main metric on the test split",
    {"summary": Column("score")},
    json="",
    tracked="",
)
SCORES: tuple[Quantity[EntryScores], ...] = (
    SCORE,
    fit.VALIDATION.placed(json="", tracked="").reported(lambda scores: scores.validation),
)
SECONDS = _mean(
    fit.SECONDS.placed({"scores": Column("time", unit="s", media=PAGE)}, json="", tracked="cost", name="seconds")
)
COST: tuple[Quantity[EntryScores], ...] = (  # in the order of the table's columns
    _mean(fit.PARAMETERS.placed({"scores": Column("trained numbers", media=PAGE)}, json="", tracked="cost")),
    SECONDS,
    _mean(fit.PEAK_MEMORY.placed(json="")),
    _mean(_STEPS),
)
ENTRY_SCORES = (*SCORES, *COST)
DECLARED = (Declared("contestants.LABEL.standings.K", ENTRY_SCORES),)
