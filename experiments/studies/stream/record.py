"""What a stream has measured so far: everything that its report is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from experiments.studies.stream.stage_outcome import StageOutcome
from workbench.stored_adapter import StoredAdapter


@dataclass(frozen=True)
class Contender:
    """One entry under ``strategies`` in a recipe: how the stream is learned, by which method, with which settings.

    Attributes:
        frontier: the label of the entry that this is another learning rate of, for the frontier of stability and
            plasticity; None for an entry of its own.
    """

    label: str
    strategy: str
    method: str
    settings: Mapping[str, Any]
    frontier: str | None = None


@dataclass(frozen=True)
class Record:
    """Everything a report is made of. Nothing in it needs a model to be read.

    Attributes:
        experiment: the recipe's name.
        backbone: the backbone's registered name.
        tasks: the stream, in order.
        test_sizes: examples in each task's test split, in the order of ``tasks``.
        majority: M[j], the score of always giving the same answer to each task, in the order of ``tasks``.
        seeds: the recipe's seeds.
        orders: the orders that the stream is learned in; the first one is ``tasks``. Each seed with each order is one
            replication.
        scenario: what is known when a task is answered: ``task-incremental``, ``domain-incremental`` or
            ``class-incremental``.
        contenders: in the recipe's order.
        reference: the label that forgetting is measured against.
        budget: the resolved budget, the same for all contenders.
        outcomes: every finished stage; stages may be missing while a run goes on.
        provenance: command, date, versions, git state, machine: strings for people.
        examples: (label, seed, order, task) → parquet file of per-example outcomes after the last stage (columns id,
            label, prediction, correct, confidence, log_likelihood).
        data: task → SHA-256 of its data.
        kinds: task → its kind.
        adapters: (label, seed, order) → task → its adapter, where a stream is at its end and each task has its own.
    """

    experiment: str
    backbone: str
    tasks: tuple[str, ...]
    test_sizes: tuple[int, ...]
    majority: tuple[float, ...]
    seeds: tuple[int, ...]
    orders: tuple[tuple[str, ...], ...]
    scenario: str
    contenders: tuple[Contender, ...]
    reference: str
    budget: Mapping[str, Any]
    data: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    identity: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict)
    outcomes: tuple[StageOutcome, ...] = ()
    examples: Mapping[tuple[str, int, int, str], Path] = field(default_factory=dict)
    adapters: Mapping[tuple[str, int, int], Mapping[str, StoredAdapter]] = field(default_factory=dict)


DERIVED = {"experiment", "identity", "provenance", "outcomes", "examples", "adapters"}
RECORD = TypeAdapter(Record)


def header(record: Record) -> dict[str, Any]:
    """Return what is the same for all pieces of a record, as JSON has it."""
    content: dict[str, Any] = RECORD.dump_python(record, mode="json", exclude=DERIVED)
    return content
