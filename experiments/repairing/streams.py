"""The streams of an experiment that shared weights learned to the end, as far as they can be opened again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.studies import STUDIES, study_of
from experiments.studies.stream.results.record import Record
from workbench.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from experiments.strategies import Strategy
    from experiments.studies.stream.plan.entry import Entry
    from experiments.workspace import Workspace


@dataclass(frozen=True)
class LearnedStream:
    """One entry in one replication, at its end.

    Attributes:
        steps: stage → key of the step.
        learned: R[j, j] by task, in the stream's order.
        kept: R[T, j], in the same order.
        validation: by task, right after the task was learned.
    """

    entry: Entry
    seed: int
    order: int
    steps: Mapping[int, str]
    learned: Mapping[str, float]
    kept: Mapping[str, float]
    validation: Mapping[str, float]

    @property
    def last(self) -> str:
        """The task that was learned last."""
        return [*self.learned][-1]

    @property
    def label(self) -> str:
        """What to call it on a screen."""
        order = f" · order {self.order}" if self.order else ""
        return f"{self.entry.label} · seed {self.seed}{order}"


def stream_record(workspace: Workspace, experiment: str) -> Record:
    """Return the record of a stream that was run to its end.

    Raises:
        UnknownNameError: no such experiment in this workspace.
        InputError: it is no stream, or it is not finished.
        IntegrityError: a file of its record is damaged or missing.
    """
    document = workspace.records.require(experiment)
    if study_of(document, str(workspace.experiment(experiment))) is not STUDIES.get("stream"):
        raise InputError("this experiment is no stream, and has forgotten nothing to bring back", where=experiment)
    record = Record.read(experiment, document, workspace)
    if not document.finished:
        hint = f"Go on with it: {document.command or 'workbench run RECIPE'}"
        raise InputError("this stream is not finished", where=experiment, hint=hint)
    return record


def learned_streams(record: Record, labels: Sequence[str] = ()) -> list[LearnedStream]:
    """Return each stream that learned its tasks in shared weights, of the entries called ``labels``; of all without.

    Raises:
        UnknownNameError: no entry has such a label.
        InputError: an entry that is named, or every one, has no shared weights that may forget.
    """
    by_label = {entry.label: entry for entry in record.entries}
    for label in labels:
        if label not in by_label:
            raise UnknownNameError("strategy", label, by_label, "--strategy")
    shared = [entry for entry in record.entries if shared_weights(entry)]
    if alone := [by_label[label] for label in labels if by_label[label] not in shared]:
        message, hint = _nothing_shared(alone[0]), f"These have: {', '.join(entry.label for entry in shared)}."
        raise InputError(message, where="--strategy", hint=hint)
    if not shared:
        raise InputError("no entry has shared weights that a later task changes", where=record.experiment)
    wanted = [entry for entry in shared if entry.label in labels or (not labels and entry.frontier is None)]
    return [stream for entry in wanted for stream in _of(entry, record)]


def shared_weights(entry: Entry) -> Strategy | None:
    """Return how tasks that come one after the other came to share weights; None where a repair has nothing to change.

    That is one set of weights for all of them, or LoRAs that were merged and can be taken apart again.
    """
    from experiments.strategies import STRATEGIES
    from experiments.strategies._shared import SharedWeights

    strategy = STRATEGIES.get(entry.strategy)
    if entry.settings.get("undo"):
        return strategy
    if not isinstance(strategy, SharedWeights) or type(strategy).model_for is not SharedWeights.model_for:
        return None
    return strategy if entry.can_forget else None


def _nothing_shared(entry: Entry) -> str:
    strategy = f"{entry.label!r} is {entry.strategy}"
    if entry.strategy == "merged":
        return f"{strategy}, and keeps no merge that could be undone (undo: N keeps the last N)"
    return f"{strategy}: it has no shared weights that a later task changes"


def _of(entry: Entry, record: Record) -> Iterator[LearnedStream]:
    steps: dict[tuple[int, int], dict[int, str]] = {}
    for coordinates, step in record.steps:
        if coordinates["label"] == entry.label:
            steps.setdefault((coordinates["seed"], coordinates["order"]), {})[coordinates["stage"]] = step
    for (seed, order), keys in steps.items():
        mine = [
            outcome
            for outcome in record.outcomes
            if (outcome.strategy, outcome.seed, outcome.order) == (entry.label, seed, order)
        ]
        outcomes = sorted(mine, key=lambda outcome: outcome.stage)
        learned = {
            outcome.task: cell.score for outcome in outcomes for cell in outcome.cells if cell.task == outcome.task
        }
        kept = {cell.task: cell.score for cell in outcomes[-1].cells}
        validation = {outcome.task: outcome.validation for outcome in outcomes}
        yield LearnedStream(entry, seed, order, keys, learned, kept, validation)
