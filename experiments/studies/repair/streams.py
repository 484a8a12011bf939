"""The streams of an experiment that shared weights learned to the end, as far as they can be opened again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.recipes import RECIPES
from adapter_workbench.experiments.strategies._groups import ADAPTERS_FOLDER
from adapter_workbench.experiments.studies import STUDIES, study_of
from adapter_workbench.experiments.studies.stream.results.record import Record
from adapter_workbench.workbench.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from adapter_workbench.experiments.strategies import Strategy
    from adapter_workbench.experiments.studies.stream.plan.entry import Entry
    from adapter_workbench.experiments.workspace import Workspace

WEIGHTS = ("body", ADAPTERS_FOLDER)  # folders of a state, of which those that share weights have one


@dataclass(frozen=True)
class LearnedStream:
    """One entry in one replication, at its end.

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


def stream_record(workspace: Workspace, experiment: str) -> Record:
    """Return the record of a stream that was run to its end.

    Raises:
        UnknownNameError: no such experiment in this workspace.
        InputError: a shipped recipe that was not run here; or it is not a stream, has one task, or is not finished.
        IntegrityError: a file of its record is damaged or missing.
    """
    if experiment not in workspace.records.names() and experiment in RECIPES.names():
        raise InputError(f"{experiment!r} was not run here", hint=f"Run it first: workbench run {experiment}")
    document = workspace.records.require(experiment)
    if study_of(document.study, str(workspace.experiment(experiment))) is not STUDIES.get("stream"):
        raise InputError("this experiment is not a stream: there is nothing to repair", where=experiment)
    record = Record.read(experiment, document, workspace)
    if not document.finished:
        hint = f"Go on with it: {document.command or 'workbench run RECIPE'}"
        raise InputError("this stream is not finished", where=experiment, hint=hint)
    if len(record.tasks) < 2:
        raise InputError("one task alone cannot be forgotten", where=experiment)
    return record


def repairable(record: Record, labels: Sequence[str], where: str) -> list[Entry]:
    """Return the entries called ``labels``, without any all, whose tasks share weights that a repair can change.

    Raises:
        UnknownNameError: no entry has such a label.
        InputError: an entry that is named, or every one, has no shared weights that may forget.
    """
    by_label = {entry.label: entry for entry in record.entries}
    for label in labels:
        if label not in by_label:
            raise UnknownNameError("strategy", label, by_label, where)
    shared = [entry for entry in record.entries if shared_weights(entry)]
    if alone := [by_label[label] for label in labels if by_label[label] not in shared]:
        message, hint = _nothing_shared(alone[0]), f"These have: {', '.join(entry.label for entry in shared)}."
        raise InputError(message, where=where, hint=hint)
    if not shared:
        raise InputError("no entry has shared weights that a later task changes", where=record.experiment)
    return [entry for entry in shared if entry.label in labels or (not labels and entry.frontier is None)]


def shared_weights(entry: Entry) -> Strategy | None:
    """Return how tasks that come one after the other came to share weights; None where a repair has nothing to change.

    That is one set of weights for all of them, or LoRAs that were merged and can be taken apart again.
    """
    from adapter_workbench.experiments.strategies import STRATEGIES
    from adapter_workbench.experiments.strategies._shared import SharedWeights

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


def learned_streams(record: Record, entry: Entry, workspace: Workspace) -> Iterator[LearnedStream]:
    """Yield an entry's streams, replication by replication.

    Raises:
        InputError: the shared weights after the last stage were not kept.
    """
    stage_keys: dict[tuple[int, int], dict[int, str]] = {}
    for coordinates, key in record.stages:
        if coordinates["label"] == entry.label:
            stage_keys.setdefault((coordinates["seed"], coordinates["order"]), {})[coordinates["stage"]] = key
    for (seed, order), keys in stage_keys.items():
        states = {stage: key for stage, key in keys.items() if weights_in(workspace.stage(key))}
        if len(record.tasks) not in states:
            hint = f"Learn them again: {record.provenance.get('command') or 'workbench run RECIPE'}"
            where = str(workspace.stage(keys[max(keys)]))
            raise InputError(f"{entry.label}, seed {seed}: the final weights are gone", where=where, hint=hint)
        mine = [
            outcome
            for outcome in record.outcomes
            if (outcome.label, outcome.seed, outcome.order) == (entry.label, seed, order)
        ]
        outcomes = sorted(mine, key=lambda outcome: outcome.stage)
        yield LearnedStream(
            entry.label,
            entry.strategy,
            entry.method,
            seed,
            order,
            record.orders[order],
            states,
            learned={
                outcome.task: cell.score for outcome in outcomes for cell in outcome.cells if cell.task == outcome.task
            },
            kept={cell.task: cell.score for cell in outcomes[-1].cells},
            validation={outcome.task: outcome.validation for outcome in outcomes},
        )


def weights_in(step: Path) -> list[str]:
    """Return the folders of shared weights in the state of a step; none where they were not kept."""
    return [name for name in WEIGHTS if (step / "state" / name).is_dir()]
