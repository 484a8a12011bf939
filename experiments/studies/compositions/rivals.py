"""What else takes part beside compositions: what has their form and not their skill, and one adapter on mixed data.

Sources without skill say what the skill is worth. ``random``: adapters with random weights of the same norms.
``shuffled``: adapters that were trained alike on the same texts, whose answers were shuffled. An answer is moved as a
whole, so they still learn what all answers of a source have in common: where answers are generated, that may be a part
of its skill.

The rival of composing is one adapter that was trained on the rows of all sources' tasks, mixed. It has the sources'
method and settings, as many examples of each task, and as many epochs, so that its fit takes as many steps as all of
theirs. It takes part as each source does, alone under a fitted head, and where a composition begins a training at the
sources, as what the first such composition begins at.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from adapter_workbench.experiments.studies.compositions.entry import Entry, WithoutSkill, alone_label, planned
from adapter_workbench.experiments.studies.core.joint_task import ALL_EXAMPLES, joint_task
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.target.random_source import FILES, random_identity
from adapter_workbench.tasks.loading.union import MIXABLE
from adapter_workbench.workbench.errors import InputError, Problem, UnknownNameError, suggest
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.training import Lesson

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from adapter_workbench.experiments.studies.compositions.entry import Source
    from adapter_workbench.experiments.studies.compositions.recipe import Controls, Recipe
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget, Document

WITHOUT_SKILL: tuple[WithoutSkill, ...] = get_args(WithoutSkill)


def control_label(label: str, kind: WithoutSkill) -> str:
    """Return what tables call a composition with sources that lack the skill."""
    return f"{label}, {kind} sources"


def controlled(controls: Controls, entries: Sequence[Entry]) -> dict[str, tuple[WithoutSkill, ...]]:
    """Return label → of which sources without skill a composition is made too.

    What a recipe leaves open is the first composition that trains: one is enough to tell what a form alone gives, and
    each of them trained again would double the costliest part of a comparison.
    """
    able = [entry.label for entry in entries if entry.trains and not why_skilled(entry)]
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
            elif why := why_skilled(known[label]):
                yield Problem(f"{label!r} cannot be made of {kind} sources: {why}", where, "Name another composition.")


def why_skilled(entry: Entry) -> str:
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
    from adapter_workbench.workbench.methods.shuffled_answers import shuffled  # datasets come with it

    return tuple(replace(lesson, task=shuffled(lesson.task, lesson.budget, lesson.seed)) for lesson in lessons)


def lesson_of(source: StoredAdapter, task: Task | None, backbone: Backbone) -> Lesson:
    """Return the lesson that gave a stored source.

    Raises:
        InputError: it came of something else than one fit on a task, or the task's data are not at hand.
    """
    from adapter_workbench.workbench.methods.stored_model import adaptation_of

    manifest = source.manifest
    why = "the data of its task are not at hand" if task is None else ""
    if manifest.parents or manifest.composition or manifest.elsewhere or manifest.choice:
        why = "it was not trained here on one task from the start"
    if why or task is None or manifest.seed is None:
        hint = "Leave 'shuffled' out of --controls: random sources need no training."
        raise InputError(f"{source.id} cannot be trained with shuffled answers: {why}", where="--controls", hint=hint)
    return Lesson(task, adaptation_of(manifest, backbone), manifest.budget, manifest.seed)


MIXED_DATA = "mixed data"


def mixed_label(family: str) -> str:
    """Return what tables call the adapter of this fine-tuning method that was trained on mixed data."""
    return alone_label(MIXED_DATA, family)


def begun_label(label: str) -> str:
    """Return what tables call a composition that begins at that adapter in place of its sources."""
    return f"{label}, {MIXED_DATA}"


def mixed_methods(recipe: Recipe, kinds: Collection[str]) -> tuple[str, ...]:
    """Return the fine-tuning methods of which an adapter is trained on mixed data; ``kinds`` are the sources' tasks'.

    What a recipe leaves open is all of them, where rows of these tasks can be mixed.
    """
    if recipe.controls.mixed is not None:
        return recipe.controls.mixed
    return () if why_unmixable(kinds) else tuple(recipe.sources.methods)


def wrong_mixed(
    recipe: Recipe, kinds: Collection[str], entries: Sequence[Entry], document: Document
) -> Iterator[Problem]:
    """Yield a problem for what ``controls.mixed`` asks for and cannot be, and for each comparison with what is off."""
    methods, where = recipe.sources.methods, document.where("controls", "mixed")
    for name in recipe.controls.mixed or ():
        if name not in methods:
            message = f"'controls.mixed' names no method of 'sources.methods': {name!r}"
            yield Problem(message, where, suggest(name, methods))
    if recipe.controls.mixed and (why := why_unmixable(kinds)):
        yield Problem(f"no adapter can be trained on the sources' tasks mixed: {why}", where, "Write mixed: [].")
    left_out = {mixed_label(name) for name in methods if name not in mixed_methods(recipe, kinds)}
    for entry in entries:
        if entry.against in left_out:
            message = f"'against' names what 'controls.mixed' leaves out: {entry.against!r}"
            yield Problem(message, document.where("compositions", entry.label, "against"))


def why_unmixable(kinds: Collection[str]) -> str:
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
