"""What a comparison of methods has come to: every number of its report, so that a report needs no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from experiments.studies.methods.tuning import Attempt
from workbench import sealed
from workbench.measured_cost import MeasuredCost

FILE = "comparison.json"


@dataclass(frozen=True)
class Entrant:
    """One entry under ``methods``."""

    label: str
    method: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Search:
    """The learning rates that one method tried on one task, with a seed that is not compared."""

    label: str
    task: str
    seed: int
    attempts: tuple[Attempt, ...]
    chosen: float


@dataclass(frozen=True)
class Cell:
    """One adapter: a method on a task with a seed, and how it does.

    Attributes:
        adapter: its id in the store.
        evaluation: key of the stored evaluation that holds the per-example outcomes behind the score.
        score: the task's main metric on the test split, in [0, 1]; ``validation`` the same on the validation split.
        seconds: wall time of the fit, validation included.
        peak_memory_mb: highest memory of the process (or the device) while it trained, in MB.
        trainable_parameters: head included.
        stored_bytes: the adapter on disk.
    """

    label: str
    task: str
    seed: int
    adapter: str
    evaluation: str
    learning_rate: float
    score: float
    validation: float
    seconds: float
    steps: int
    peak_memory_mb: float | None
    trainable_parameters: int
    stored_bytes: int


@dataclass(frozen=True)
class ComparisonRecord:
    """A comparison of methods as far as it has come.

    Attributes:
        experiment: its name.
        reference: label that differences are taken from.
        majority: task → test score of always giving the most frequent answer.
        tune: how many learning rates each method tries on each task.
        costs: label → what its training step and its answers take, measured once, on the first task.
        data: task → SHA-256 of its data; empty in a record of before this was kept, as ``kinds``.
        kinds: task → its kind.
    """

    experiment: str
    description: str
    backbone: str
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    reference: str
    budget: Mapping[str, Any]
    tune: int
    majority: Mapping[str, float]
    entrants: tuple[Entrant, ...]
    provenance: Mapping[str, str]
    searches: tuple[Search, ...] = ()
    cells: tuple[Cell, ...] = ()
    costs: Mapping[str, MeasuredCost] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)

    @property
    def planned(self) -> int:
        """How many adapters there will be."""
        return len(self.entrants) * len(self.tasks) * len(self.seeds)

    @property
    def plan(self) -> ComparisonRecord:
        """What was there before anything was done: equal plans, equal comparisons."""
        return replace(self, provenance={}, searches=(), cells=(), costs={}, data={}, kinds={})

    def save(self, folder: Path) -> None:
        """Write the record into the experiment's ``folder``."""
        sealed.write(RECORD, self, folder / FILE)


RECORD = TypeAdapter(ComparisonRecord)


def load(folder: Path) -> ComparisonRecord | None:
    """Return the record in an experiment's folder; None for another kind of experiment.

    Raises:
        IntegrityError: the record is damaged.
    """
    return sealed.read(RECORD, folder / FILE)
