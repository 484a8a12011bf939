"""Repairs of a stream, resolved: its stream is there, its data are read, and what cannot be repaired is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.engine.draft import drafted
from adapter_workbench.experiments.engine.entries import EntryForm, collisions
from adapter_workbench.experiments.engine.recipes import RECIPES
from adapter_workbench.experiments.repairs import CONTROL, REPAIRS
from adapter_workbench.experiments.studies import STUDIES, study_of
from adapter_workbench.experiments.studies.repair.recipe import Recipe, all_repairs
from adapter_workbench.experiments.studies.repair.record import NOTHING, Entry, LearnedStream, RepairRecord
from adapter_workbench.experiments.studies.repair.resolved import RepairPlan, weights_in
from adapter_workbench.experiments.studies.stream.results.record import Record
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError, SettingsError, UnknownNameError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.settings.base import Budget

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from adapter_workbench.experiments.strategies import Strategy
    from adapter_workbench.experiments.studies.stream.plan.entry import Entry as LearnedEntry
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.settings.base import Document, Settings


Repairs = dict[str, tuple[str, "Settings"]]


def with_controls(repairs: Mapping[str, tuple[str, Settings]]) -> tuple[Repairs, dict[str, str]]:
    """Return repairs with the controls that they lack, and for each repair the label of its control.

    All repairs read the validation rows, which choose among attempts. A repair with a setting ``examples`` reads so
    many training rows of each task too, and its control is fitted on as many. Repairs that read the same rows have one
    control; one that the recipe names with these settings is it.
    """
    added, control_of = dict(repairs), dict[str, str]()
    for label, (repair, settings) in repairs.items():
        if repair == CONTROL:
            continue
        examples = getattr(settings, "examples", 0)
        read = {"examples": examples if isinstance(examples, int) else 0}
        wanted: Any = REPAIRS.get(CONTROL).settings.model_validate(read)
        name = next((name for name, entry in added.items() if entry == (CONTROL, wanted)), None)
        if name is None:
            name = _free_label(CONTROL if not wanted.examples else f"{CONTROL}-{wanted.examples}", added)
            added[name] = (CONTROL, wanted)
        control_of[label] = name
    return added, control_of


def needed(entries: Iterable[Entry], asked: Iterable[str]) -> list[Entry]:
    """Return the entries of one of a stream's entries, controls last, without controls that nothing is compared with.

    Args:
        entries: repairs and controls.
        asked: labels that the recipe names itself; they stay.
    """
    given = [*entries]
    used = {entry.control for entry in given if not entry.refused} | {*asked}
    return [
        *(entry for entry in given if not entry.is_control),
        *(entry for entry in given if entry.is_control and entry.name in used),
    ]


def _free_label(label: str, taken: Mapping[str, object]) -> str:
    return label if label not in taken else _free_label(f"{label}-control", taken)


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


def repairable(record: Record, labels: Sequence[str], where: str) -> list[LearnedEntry]:
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


def shared_weights(entry: LearnedEntry) -> Strategy | None:
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


def _nothing_shared(entry: LearnedEntry) -> str:
    strategy = f"{entry.label!r} is {entry.strategy}"
    if entry.strategy == "merged":
        return f"{strategy}, and keeps no merge that could be undone (undo: N keeps the last N)"
    return f"{strategy}: it has no shared weights that a later task changes"


def learned_streams(record: Record, entry: LearnedEntry, workspace: Workspace) -> Iterator[LearnedStream]:
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
    from adapter_workbench.experiments.studies.repair.work import (
        tasks_of,  # imports torch; mistakes are reported before
    )

    backbone = open_backbone(source.backbone).quantized(budget.quantization).kept(budget.weights)
    learned = {entry.label: entry for entry in chosen}
    plan = RepairPlan(record, learned, tasks_of(source, task_folders), backbone, budget, repairs, asked, control_of)
    return replace(plan, record=replace(record, entries=tuple(_entries(plan, workspace))))


def _entries(plan: RepairPlan, workspace: Workspace) -> Iterator[Entry]:
    """Yield every repair of every entry, and why it cannot be done where that is so."""
    from adapter_workbench.experiments.studies.repair.work import end_of_stream

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
