"""The rival of composing: one adapter that was trained on the rows of all sources' tasks, mixed.

It has the sources' method and settings, as many examples of each task, and as many epochs, so that its fit takes as
many steps as all of theirs. It takes part as each source does, alone under a fitted head, and where a composition
begins a training at the sources, as what the first such composition begins at.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapter_workbench.experiments.studies.compositions.entry import Entry, alone_label, planned
from adapter_workbench.experiments.studies.core.joint_task import ALL_EXAMPLES, joint_task
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.tasks.loading.union import MIXABLE
from adapter_workbench.workbench.errors import Problem, suggest
from adapter_workbench.workbench.training import Lesson

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from adapter_workbench.experiments.studies.compositions.recipe import Recipe
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget, Document

MIXED = "mixed data"


def mixed_label(family: str) -> str:
    """Return what tables call the adapter of this fine-tuning method that was trained on mixed data."""
    return alone_label(MIXED, family)


def begun_label(label: str) -> str:
    """Return what tables call a composition that begins at that adapter in place of its sources."""
    return f"{label}, {MIXED}"


def mixed_methods(recipe: Recipe, kinds: Collection[str]) -> tuple[str, ...]:
    """Return the fine-tuning methods of which an adapter is trained on mixed data; ``kinds`` are the sources' tasks'.

    What a recipe leaves open is all of them, where rows of these tasks can be mixed.
    """
    if recipe.controls.mixed is not None:
        return recipe.controls.mixed
    return () if objection(kinds) else tuple(recipe.sources.methods)


def wrong_mixed(
    recipe: Recipe, kinds: Collection[str], entries: Sequence[Entry], document: Document
) -> Iterator[Problem]:
    """Yield a problem for what ``controls.mixed`` asks for and cannot be, and for each comparison with what is off."""
    methods, where = recipe.sources.methods, document.where("controls", "mixed")
    for name in recipe.controls.mixed or ():
        if name not in methods:
            message = f"'controls.mixed' names no method of 'sources.methods': {name!r}"
            yield Problem(message, where, suggest(name, methods))
    if recipe.controls.mixed and (why := objection(kinds)):
        yield Problem(f"no adapter can be trained on the sources' tasks mixed: {why}", where, "Write mixed: [].")
    left_out = {mixed_label(name) for name in methods if name not in mixed_methods(recipe, kinds)}
    for entry in entries:
        if entry.against in left_out:
            message = f"'against' names what 'controls.mixed' leaves out: {entry.against!r}"
            yield Problem(message, document.where("compositions", entry.label, "against"))


def objection(kinds: Collection[str]) -> str:
    """Return why rows of tasks of these kinds cannot be mixed; empty where they can."""
    names = sorted(set(kinds))
    if len(names) > 1:
        return f"they are of several kinds ({', '.join(names)})"
    return "" if names[0] in MIXABLE else f"a batch cannot have rows of several {names[0]} tasks"


def mixed_lessons(
    lessons: Mapping[tuple[int, str], tuple[Lesson, ...]],
    methods: Collection[str],
    tasks: Sequence[Task],
    budget: Budget,
) -> dict[tuple[int, str], Lesson]:
    """Return (seed, method) → the lesson on mixed data beside the sources' ``lessons``, which are of ``budget``."""
    every = budget.model_copy(update=ALL_EXAMPLES)
    together = {seed: joint_task(tasks, budget, seed) for seed, method in lessons if method in methods}
    return {
        (seed, method): Lesson(together[seed], own[0].adaptation, every, seed)
        for (seed, method), own in lessons.items()
        if method in methods
    }


def mixed_alone(lesson: Lesson) -> Entry:
    """Return the adapter on mixed data as an entry like a single source."""
    source = planned(lesson)
    settings = COMPOSITIONS.get("single").settings()
    return Entry(mixed_label(source.method), "mixed", source.method, "single", settings, (source,))


def begun_at_mixed(entries: Sequence[Entry], lessons: Mapping[tuple[int, str], Lesson], seed: int) -> dict[str, Entry]:
    """Return label → that entry once more, begun at the adapter on mixed data; one of each fine-tuning method.

    It is the first that begins a training at its sources: each of them is as costly as what it is compared with.
    """
    begun: dict[str, Entry] = {}
    for entry in entries:
        settings = COMPOSITIONS.get(entry.method).from_one_source(entry.settings)
        lesson = lessons.get((seed, entry.family))
        known = {known.family for known in begun.values()}
        if settings is not None and lesson and entry.family not in known and entry.role == "composition":
            changes = {"label": begun_label(entry.label), "against": entry.label, "settings": settings}
            begun[entry.label] = replace(entry, **changes, role="mixed", sources=(planned(lesson),), made_of={})
    return begun
