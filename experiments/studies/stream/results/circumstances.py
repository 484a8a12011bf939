"""Under which circumstances each strategy learned the stream, for whoever compares them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.studies.core.tune import first_rate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter_workbench.experiments.studies.stream.plan.entry import Entry
from adapter_workbench.experiments.studies.stream.plan.entry import GIVEN
from adapter_workbench.experiments.studies.stream.results.record import Record


def circumstances(record: Record) -> dict[str, dict[str, Any]]:
    """Return for each entry of the recipe what of the stream it saw at once, kept and tried, as far as it has come."""
    return {entry.label: _own(record, entry) for entry in record.entries if entry.frontier is None}


def _own(record: Record, entry: Entry) -> dict[str, Any]:
    outcomes = [outcome for outcome in record.outcomes if outcome.label == entry.label and outcome.cells]
    stages = {outcome.stage for outcome in outcomes if outcome.stage}
    return {
        "tasks that are learned together": min(stages, default=None),
        "examples kept of earlier tasks": entry.settings.get("memory", 0),
        "models that answer": _models(entry, len(record.tasks)),
        "head of a task at first": _head(record, entry),
        "fits of a stage, of which validation picks one": max((outcome.trials for outcome in outcomes), default=None),
        "merges tried at a stage, of which validation picks one": entry.settings.get("tries", 0),
        "learning rates tried": _tried(record, entry) if entry.default_rate is not None else None,
        "learning rate, or the first that is tried": first_rate(_planned(entry), entry.default_rate),
    }


def _tried(record: Record, entry: Entry) -> int:
    """Return at how many learning rates it was fitted; before that is known, how many there are at most."""
    tuning = record.tunings.get(entry.label)
    return len(tuning.attempts) if tuning else len(entry.tried) or 1


def _models(entry: Entry, tasks: int) -> int:
    """Return by how many models the tasks are answered at the end."""
    return tasks if entry.strategy == "isolated" else min(tasks, entry.settings.get("keep", 1))


def _planned(entry: Entry) -> Mapping[str, Any]:
    """Return an entry's settings before its learning rate was chosen."""
    return {**entry.settings, "learning_rate": entry.tried[0].learning_rate} if entry.tried else entry.settings


def _head(record: Record, entry: Entry) -> str | None:
    """Return how the head of a task after the first begins; None where answers are generated, which needs none."""
    if record.generates:
        return None
    if entry.strategy == GIVEN:
        return "that of the checkpoint, or fitted"
    # an isolated LoRA that is not drawn afresh begins under a head that was fitted on its features
    return "random" if entry.settings.get("init", "fresh") == "fresh" else "fitted"
