"""Scores of an experiment, replication by replication, so that they can be held against another experiment's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import pandas as pd

Replication: TypeAlias = tuple[int, tuple[str, ...]]  # the seed, and the tasks in the order of a stream; else ()
ExampleScores: TypeAlias = "Callable[[Replication, str], pd.Series | None]"


def of_no_examples(replication: Replication, task: str) -> pd.Series | None:
    """Return nothing: the metric is no mean over test examples."""
    return None


@dataclass(frozen=True)
class ProblemScores:
    """Scores on one problem."""

    # replication → score, a share; what is not there yet, or not defined, is left out
    values: Mapping[Replication, float]
    # task → what identifies its test examples; where it is equal, they are the same. None: not known.
    tests: Mapping[str, str | None]
    # returns each test example's score by its id, of a replication and a task; None where their mean is not the
    # task's score
    examples: ExampleScores = of_no_examples
    step: float | None = None  # by how much a test example changes a value; None where that is not known
    # task → id of a test example → number of its text, where other examples have the same text
    shared_texts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class MetricScores:
    """Scores in one metric."""

    better: Literal["higher", "lower"]  # which of two is good
    # by name; the score is the mean over them. A metric of all tasks together has one, called nothing.
    problems: Mapping[str, ProblemScores]
    scenario: str = ""  # of the stream: what is known when a task is answered; empty where a study has none


Scores: TypeAlias = Mapping[str, Mapping[str, MetricScores]]  # label → metric → scores


def split_key(fingerprint: str | None, examples: int) -> str | None:
    """Return what identifies a test split: with equal data and equally many examples, the examples are the same.

    None where the data are not known, as in records of earlier versions: nothing tells that these are the same.

    The seed plays no part in which test examples are drawn (:func:`adapter_workbench.workbench.methods.sampling.draw`).
    """
    return f"{fingerprint} {examples}" if fingerprint else None
