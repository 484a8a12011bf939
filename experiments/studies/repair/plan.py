"""Repairs of a stream, resolved: its stream is there, its data are read, and what cannot be repaired is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.draft import drafted
from adapter_workbench.experiments.engine.entries import EntryForm, collisions
from adapter_workbench.experiments.repairs import REPAIRS
from adapter_workbench.experiments.studies.repair.controls import needed, with_controls
from adapter_workbench.experiments.studies.repair.recipe import Recipe, all_repairs
from adapter_workbench.experiments.studies.repair.record import NOTHING, Entry, RepairRecord
from adapter_workbench.experiments.studies.repair.resolved import RepairPlan
from adapter_workbench.experiments.studies.repair.streams import learned_streams, repairable, stream_record
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import SettingsError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.settings.base import Budget

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from adapter_workbench.experiments.studies.stream.plan.entry import Entry as LearnedEntry
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.settings.base import Document

REPAIRS_KEY = ("repairs",)


def make_plan(document: Document, task_folders: Sequence[Path], workspace: Workspace) -> RepairPlan:
    """Resolve a recipe: find its stream in ``workspace``, and read the data; no weights are read.

    Raises:
        SettingsError: all that is wrong with the recipe, in one message.
        UnknownNameError: a task of the stream is not to be found.
        InputError: the stream cannot be repaired, or its data or weights are not those that were learned.
        IntegrityError: a file of the stream is damaged.
    """
    draft = drafted(document, Recipe, [EntryForm(REPAIRS_KEY, {"repair": REPAIRS.get})], task_folders)
    repairs = {label: entry.only for label, entry in draft.entries[REPAIRS_KEY].items()}
    recipe = draft.require()
    source = stream_record(workspace, recipe.repair)
    chosen = repairable(source, recipe.entries, document.where("entries"))
    repairs = repairs or {name: (name, REPAIRS.get(name).settings()) for name in all_repairs()}
    asked = frozenset(repairs)
    repairs, control_of = with_controls(repairs) if recipe.control else (repairs, {})
    rows = ((row_label(name, entry), document.where(*REPAIRS_KEY, name)) for entry in chosen for name in repairs)
    if problems := [*collisions(rows, (entry.label for entry in chosen))]:
        raise SettingsError(problems)
    budget = Budget.model_validate(source.budget)
    record = RepairRecord(
        experiment=recipe.name,
        description=recipe.description,
        backbone=source.backbone,
        seeds=source.seeds,
        reference=NOTHING,
        data=source.data,
        data_sources=source.data_sources,
        precision=source.precision,
        stream=source.experiment,
        scenario=source.scenario,
        tasks=source.tasks,
        kinds=source.kinds,
        budget=source.budget,
        majority=dict(zip(source.tasks, source.majority, strict=True)),
        test_sizes=dict(zip(source.tasks, source.test_sizes, strict=True)),
        streams=tuple(stream for entry in chosen for stream in learned_streams(source, entry, workspace)),
        entries=(),
        test=recipe.test,
        margin=recipe.margin,
    )
    from adapter_workbench.experiments.studies.repair.end_of_stream import (
        tasks_of,  # imports torch; mistakes are reported before
    )

    backbone = open_backbone(source.backbone).quantized(budget.quantization).kept(budget.weights)
    learned = {entry.label: entry for entry in chosen}
    plan = RepairPlan(record, learned, tasks_of(source, task_folders), backbone, budget, repairs, asked, control_of)
    return replace(plan, record=replace(record, entries=tuple(_entries(plan, workspace))))


def _entries(plan: RepairPlan, workspace: Workspace) -> Iterator[Entry]:
    """Yield every repair of every entry, and why it cannot be done where that is so."""
    from adapter_workbench.experiments.studies.repair.end_of_stream import end_of_stream

    for label in plan.learned:
        streams = (stream for stream in plan.record.streams if stream.entry == label)
        ends = [end_of_stream(plan, stream, workspace, Silent()) for stream in streams]
        entries = []
        for name, (repair, settings) in plan.repairs.items():
            why = next((why for end in ends if (why := REPAIRS.get(repair).objection(end))), "")
            control = plan.control_of.get(name, "")
            row = row_label(name, plan.learned[label])
            entries.append(Entry(row, label, name, repair, settings.model_dump(mode="json"), why, control))
        yield from needed(entries, plan.asked)


def row_label(repair: str, entry: LearnedEntry) -> str:
    """Return what a repair of an entry is compared under; the entry itself stands beside it under its own label."""
    return f"{repair} of {entry.label}"
