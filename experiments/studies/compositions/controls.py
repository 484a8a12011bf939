"""Compositions of sources that have the form of the trained ones and not their skill: what is the skill worth?

``random``: adapters with random weights of the same norms. ``shuffled``: adapters that were trained alike on the same
texts, whose answers were shuffled. An answer is moved as a whole, so they still learn what all answers of a source have
in common: where answers are generated, that may be a part of its skill.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from adapter_workbench.experiments.studies.compositions.entry import WithoutSkill, planned
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.target.random_source import FILES, random_identity
from adapter_workbench.workbench.errors import InputError, Problem, UnknownNameError, suggest
from adapter_workbench.workbench.methods.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from adapter_workbench.experiments.studies.compositions.entry import Entry, Source
    from adapter_workbench.experiments.studies.compositions.recipe import Controls
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Document
    from adapter_workbench.workbench.training import Lesson

WITHOUT_SKILL: tuple[WithoutSkill, ...] = get_args(WithoutSkill)


def control_label(label: str, kind: WithoutSkill) -> str:
    """Return what tables call a composition with sources that lack the skill."""
    return f"{label}, {kind} sources"


def controlled(controls: Controls, entries: Sequence[Entry]) -> dict[str, tuple[WithoutSkill, ...]]:
    """Return label → of which sources without skill a composition is made too.

    What a recipe leaves open is the first composition that trains: one is enough to tell what a form alone gives, and
    each of them trained again would double the costliest part of a comparison.
    """
    able = [entry.label for entry in entries if entry.trains and not objection(entry)]
    chosen = {kind: able[:1] if (labels := getattr(controls, kind)) is None else labels for kind in WITHOUT_SKILL}
    by_label = {entry.label: tuple(kind for kind in WITHOUT_SKILL if entry.label in chosen[kind]) for entry in entries}
    return {label: kinds for label, kinds in by_label.items() if kinds}


def wrong_controls(controls: Controls, entries: Sequence[Entry], document: Document) -> Iterator[Problem]:
    """Yield a problem for each label that names no composition, or one that no such sources can be put in."""
    known = {entry.label: entry for entry in entries}
    for kind in WITHOUT_SKILL:
        for label in getattr(controls, kind) or ():
            where = document.where("controls", kind)
            if label not in known:
                yield Problem(f"'controls' names no composition: {label!r}", where, suggest(label, known))
            elif why := objection(known[label]):
                yield Problem(f"{label!r} cannot be made of {kind} sources: {why}", where, "Name another composition.")


def objection(entry: Entry) -> str:
    """Return why a composition cannot be made of sources without skill; empty where it can."""
    if entry.role != "composition":
        return "it has no sources"
    if COMPOSITIONS.get(entry.method).reads_sources:
        return f"{entry.method} reads their own tasks"
    library = METHODS.get(entry.family).library if entry.family else ""
    return "" if library in FILES else f"there are none of {library or 'this method'}"


def require_without_skill(kinds: Sequence[str]) -> None:
    """Raise UnknownNameError where one of ``kinds`` is no way to lack the sources' skill."""
    for kind in kinds:
        if kind not in WITHOUT_SKILL:
            raise UnknownNameError("control", kind, WITHOUT_SKILL, "--controls")


def without_skill(
    entry: Entry, kinds: Iterable[WithoutSkill], shuffled: Sequence[Lesson], seed: int
) -> Iterator[Entry]:
    """Yield a composition again for each of ``kinds``, compared with itself; ``shuffled`` are the sources of one."""
    for kind in kinds:
        twins = tuple(map(planned, shuffled)) if kind == "shuffled" else _random(entry.sources, seed)
        yield replace(entry, label=control_label(entry.label, kind), role=kind, sources=twins, against=entry.label)


def _random(sources: Sequence[Source], seed: int) -> tuple[Source, ...]:
    return tuple(replace(source, identity=random_identity(source.identity, seed), drawn=seed) for source in sources)


def shuffled_lessons(lessons: Sequence[Lesson]) -> tuple[Lesson, ...]:
    """Return the same lessons on the same texts with shuffled answers."""
    from adapter_workbench.workbench.methods.shuffled_answers import (
        shuffled,  # imports datasets, so that mistakes are reported before
    )

    return tuple(replace(lesson, task=shuffled(lesson.task, lesson.budget, lesson.seed)) for lesson in lessons)


def lesson_of(source: StoredAdapter, task: Task | None, backbone: Backbone) -> Lesson:
    """Return the lesson that gave a stored source.

    Raises:
        InputError: it came of something else than one fit on a task, or the task's data are not at hand.
    """
    from adapter_workbench.workbench.methods.stored_model import adaptation_of
    from adapter_workbench.workbench.training import Lesson

    manifest = source.manifest
    why = "the data of its task are not at hand" if task is None else ""
    if manifest.parents or manifest.composition or manifest.elsewhere or manifest.choice:
        why = "it was not trained here on one task from the start"
    if why or task is None or manifest.seed is None:
        hint = "Leave 'shuffled' out of --controls: random sources need no training."
        raise InputError(f"{source.id} cannot be trained with shuffled answers: {why}", where="--controls", hint=hint)
    return Lesson(task, adaptation_of(manifest, backbone), manifest.budget, manifest.seed)
