"""Repairs that are planned, and their results so far, beside those of their stream: a report needs no model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.repairs import CONTROL
from adapter_workbench.experiments.studies.core.record import Record
from adapter_workbench.experiments.workspace.piece_results import PieceResults

if TYPE_CHECKING:
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace

NOTHING = "nothing"  # what every repair is compared with


@dataclass(frozen=True)
class LearnedStream:
    """One entry of a stream in one replication, at its end.

    Attributes:
        entry: its label; ``strategy`` and ``method`` are what it is.
        order: which of the record's orders of the stream.
        tasks: in the order in which they were learned.
        states: stage → key of the step, of those whose weights are there; the last stage's always are.
        learned: R[j, j] by task.
        kept: R[T, j] by task.
        validation: by task, right after it was learned; None of a checkpoint, which was learned elsewhere.
    """

    entry: str
    strategy: str
    method: str
    seed: int
    order: int
    tasks: tuple[str, ...]
    states: Mapping[int, str]
    learned: Mapping[str, float]
    kept: Mapping[str, float]
    validation: Mapping[str, float | None]

    @property
    def label(self) -> str:
        """What to call it on a screen."""
        order = f" · order {self.order}" if self.order else ""
        return f"{self.entry} · seed {self.seed}{order}"


@dataclass(frozen=True)
class Repaired:
    """One repair of one stream.

    Attributes:
        chosen: the numbers of the attempt that validates best, by name; empty where doing nothing does.
        attempts: how many ways were tried beside doing nothing.
        unrepaired: mean validation score of all tasks with nothing done, in [0, 1].
        validation: the same of what was chosen; None of the control, which is fitted on these rows.
        scores: task → its score on the test split after the repair, in the stream's order.
        seconds: wall time of all of it.
        rows_a_task: how many labelled rows of a task it read, training and validation, on average over tasks; None in
            results of earlier versions.
    """

    chosen: Mapping[str, float]
    attempts: int
    unrepaired: float
    validation: float | None
    scores: Mapping[str, float]
    seconds: float
    rows_a_task: float | None = None


REPAIRED = PieceResults("repairs", Repaired)


@dataclass(frozen=True)
class Entry:
    """One repair of one entry of the stream.

    Attributes:
        of: label of the stream's entry.
        name: label of the repair in the recipe; ``repair`` and ``settings`` are what it is.
        refused: why it cannot be done with these weights; empty where it can.
        control: name of the entry that it is compared with besides doing nothing, which reads the same rows.
    """

    label: str
    of: str
    name: str
    repair: str
    settings: Mapping[str, Any]
    refused: str = ""
    control: str = ""

    @property
    def is_control(self) -> bool:
        """Whether it uses nothing of the stream, and repairs are compared with it."""
        return self.repair == CONTROL


@dataclass(frozen=True, kw_only=True)
class RepairRecord(Record):
    """Repairs of a stream as far as they have come.

    Attributes:
        stream: name of the stream's experiment; ``budget`` is that stream's.
        majority: task → M[j], the score of always giving the most frequent answer.
        test_sizes: task → how many examples its test split has.
        streams: what is repaired: each of the stream's entries in each replication.
        entries: each repair of each of the stream's entries.
        cells: (label, seed, order) → the result of a repair.
    """

    kind = "repairs of a stream"
    result_fields = ("cells",)

    stream: str
    scenario: str
    tasks: tuple[str, ...]
    kinds: Mapping[str, str]
    budget: Mapping[str, Any]
    majority: Mapping[str, float]
    test_sizes: Mapping[str, int]
    streams: tuple[LearnedStream, ...]
    entries: tuple[Entry, ...]
    cells: Mapping[tuple[str, int, int], Repaired] = field(default_factory=dict)

    def pairs(self) -> Iterator[tuple[LearnedStream, Entry]]:
        """Yield each stream with each repair that can be done with its weights."""
        for stream in self.streams:
            yield from ((stream, entry) for entry in self.entries if entry.of == stream.entry and not entry.refused)

    @property
    def planned(self) -> int:
        """How many repairs there will be, one for each replication."""
        return sum(1 for _ in self.pairs())

    @property
    def done(self) -> int:
        """How many of them are there."""
        return len(self.cells)

    @classmethod
    def results_from(cls, document: RecordDocument, workspace: Workspace) -> dict[str, Any]:
        """Return the result of each repair."""
        cells = REPAIRED.of(document, workspace, "repair")
        return {"cells": {(at["label"], at["seed"], at["order"]): cell for at, cell in cells}}
