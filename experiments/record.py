"""What an experiment has measured so far, as it is read back from the workspace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from workbench.contracts import StageOutcome


@dataclass(frozen=True)
class Contender:
    """One entry under ``strategies`` in a recipe: how the stream is learned, by which method, with which settings."""

    label: str
    strategy: str
    method: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Record:
    """Everything a report is made of. Nothing in it needs a model to be read.

    Attributes:
        experiment: the recipe's name.
        backbone: the backbone's registered name.
        tasks: the stream, in order.
        test_sizes: examples in each task's test split, in the order of ``tasks``.
        majority: M[j], the majority-class score of each task, in the order of ``tasks``.
        seeds: the recipe's seeds.
        contenders: in the recipe's order.
        reference: the label that forgetting is measured against.
        budget: the resolved budget, the same for all contenders.
        outcomes: every finished stage; stages may be missing while a run goes on.
        provenance: command, date, versions, git state, machine: strings for people.
        examples: (label, seed, stage, task) → parquet file of per-example outcomes (columns id, label, prediction,
            correct, confidence, log_likelihood).
    """

    experiment: str
    backbone: str
    tasks: tuple[str, ...]
    test_sizes: tuple[int, ...]
    majority: tuple[float, ...]
    seeds: tuple[int, ...]
    contenders: tuple[Contender, ...]
    reference: str
    budget: Mapping[str, Any]
    outcomes: tuple[StageOutcome, ...]
    provenance: Mapping[str, str]
    examples: Mapping[tuple[str, int, int, str], Path]
