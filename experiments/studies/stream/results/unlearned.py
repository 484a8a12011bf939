"""Where a strategy learned nothing of a task, or next to nothing: its test right after the stage says so."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.learned_nothing import learned_nothing_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from adapter_workbench.experiments.studies.stream.work.stage_outcome import Cell, StageOutcome
    from adapter_workbench.experiments.workspace import Workspace

JOINT = "joint"  # learns all tasks in one stage
DOUBTFUL = (
    0.06  # share of the test examples above a constant answer's, beyond chance, from which on something is learned
)


@dataclass(frozen=True)
class DoubtfulTest:
    """A test right after its task was learned, with a score that is not far above that of a constant answer."""

    label: str
    seed: int
    order: int
    task: str
    score: float  # the task's main metric
    outcomes: Path  # parquet file of what was answered


@dataclass(frozen=True)
class Unlearned:
    """A task of which a replication learned nothing, or next to nothing, and why it seems so."""

    task: str
    seed: int
    order: int
    why: str


def constant_scores(tasks: Sequence[str], majority: Sequence[float | None]) -> dict[str, float]:
    """Return the score of always giving the same answer by task, NaN where it is not known."""
    return {task: math.nan if score is None else score for task, score in zip(tasks, majority, strict=True)}


def just_learned(outcomes: Sequence[StageOutcome], strategy: str) -> Iterator[tuple[StageOutcome, Cell]]:
    """Yield the test of each task at the stage that learned it; a task that was not tested then is left out."""
    for outcome in outcomes:
        for cell in outcome.cells if outcome.stage else ():
            if cell.task == outcome.task or strategy == JOINT:
                yield outcome, cell


def doubtful_tests(
    outcomes: Sequence[StageOutcome], strategies: Mapping[str, str], majority: Mapping[str, float], workspace: Workspace
) -> tuple[DoubtfulTest, ...]:
    """Return the tests that have to be looked at, so that the files of all others need not be read.

    Args:
        outcomes: of all strategies.
        strategies: label → how it learns the stream.
        majority: task → the score of always giving the same answer.
        workspace: where the outcomes of single examples are.
    """
    return tuple(
        DoubtfulTest(label, stage.seed, stage.order, cell.task, cell.score, workspace.evaluations.outcomes(key))
        for label, strategy in strategies.items()
        for stage, cell in just_learned([outcome for outcome in outcomes if outcome.label == label], strategy)
        if (key := cell.evaluation) and _is_doubtful(cell, majority[cell.task])
    )


def unlearned(tests: Sequence[DoubtfulTest], majority: Mapping[str, float]) -> tuple[Unlearned, ...]:
    """Return which of the tests show that nothing was learned, or next to nothing."""
    judged = ((test, _reason(test, majority[test.task])) for test in tests)
    return tuple(Unlearned(test.task, test.seed, test.order, why) for test, why in judged if why is not None)


def _is_doubtful(cell: Cell, majority: float) -> bool:
    margin = DOUBTFUL + 1.96 / math.sqrt(max(1, cell.examples))
    return not cell.score - majority > margin  # also where one of them is not a number


def _reason(test: DoubtfulTest, majority: float) -> str | None:
    return learned_nothing_in(test.outcomes, test.score, majority if math.isfinite(majority) else None)
