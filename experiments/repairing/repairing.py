"""All repairs of an experiment that are asked for, on each of its streams."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from experiments.repairing.report import EntryReport, RepairReport
from experiments.repairing.streams import learned_streams, stream_record
from experiments.repairs import REPAIRS
from workbench.errors import InputError, UnknownNameError
from workbench.measures.granularity import score_step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from experiments.repairing.opening import Opening
    from experiments.repairing.streams import LearnedStream
    from experiments.studies.stream.results.record import Record
    from experiments.workspace import Workspace
    from workbench.machine.listener import Listener
    from workbench.settings.base import Document, Settings


def repair_experiment(
    workspace: Workspace,
    experiment: str,
    names: Sequence[str],
    labels: Sequence[str],
    assignments: Document,
    task_folders: Sequence[Path],
    listener: Listener,
) -> RepairReport:
    """Return what repairs bring back of the shared weights of a finished stream.

    Args:
        workspace: where the experiment is; what a repair comes to is kept there.
        experiment: its name.
        names: of the repairs; all where it is empty.
        labels: of the recipe's entries; all with shared weights where it is empty.
        assignments: settings of repairs, each below the repair's name.
        task_folders: of the person's own tasks.
        listener: hears how it goes.

    Raises:
        UnknownNameError: no such experiment, repair, entry or task.
        InputError: a setting does not fit, there is nothing to repair, or data or weights are not those of the stream.
        IntegrityError: a state, or a file of the record, is damaged.
    """
    for name in names:
        REPAIRS.require(name, "--method")
    record = stream_record(workspace, experiment)
    streams = learned_streams(record, labels)
    if len(record.tasks) < 2:
        raise InputError("one task alone cannot be forgotten", where=experiment)
    settings = _settings(list(dict.fromkeys(names)) or REPAIRS.names(), assignments)
    from experiments.repairing.opening import opening  # torch comes with it, and mistakes are reported without it

    opened = opening(workspace, record, task_folders, listener)
    entries = [
        _entry(tuple(own), record, opened, settings)
        for _, own in groupby(streams, key=lambda stream: stream.entry.label)
    ]
    return RepairReport(experiment, record.tasks, tuple(entries))


def _settings(names: Sequence[str], assignments: Document) -> Mapping[str, Settings]:
    """Return the settings of each repair that is asked for."""
    for name in assignments.data:
        if name not in names:
            raise UnknownNameError("repair", name, names, assignments.where(name))
    parts = [((name,), assignments.data.get(name) or {}, REPAIRS.get(name).settings) for name in names]
    return dict(zip(names, assignments.parse_parts(*parts), strict=True))


def _entry(
    streams: tuple[LearnedStream, ...], record: Record, opened: Opening, settings: Mapping[str, Settings]
) -> EntryReport:
    from experiments.repairing.selection import repaired

    ends = [opened.end(stream) for stream in streams]
    results, refused = {}, {}
    for name, own in settings.items():
        objections = [why for end in ends if (why := REPAIRS.get(name).objection(end))]
        if objections:
            refused[name] = objections[0]
            continue
        made = []
        for stream, end in zip(streams, ends, strict=True):
            opened.listener.say(f"{stream.label}: {name}")
            made.append(repaired(opened.workspace, stream, end, name, own))
        results[name] = tuple(made)
    majority = dict(zip(record.tasks, record.majority, strict=True))
    return EntryReport(streams, majority, results, refused, score_step(record.test_sizes))
