"""Which of a recipe's sources a composition is made of for each target: all of them, or those that its entry names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from adapter_workbench.experiments.studies.core.against import ComparedWith
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.target.composition import Purpose
from adapter_workbench.workbench.errors import InputError, Problem, suggest
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.settings.base import unique

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from adapter_workbench.experiments.engine.entries import ParsedEntry
    from adapter_workbench.experiments.studies.compositions.entry import Entry
    from adapter_workbench.workbench.settings.base import Document


class Composing(ComparedWith):
    """What an entry of ``compositions`` may say beside its method's settings."""

    sources: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="target → tasks of `sources` whose adapters it is made of there, in this order; all where a target "
        "is left out",
    )

    @field_validator("sources")
    @classmethod
    def _some_and_each_once(cls, sources: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        for target, tasks in sources.items():
            if not tasks:
                raise ValueError(f"{target}: name at least one source, or leave the target out")
            unique(tasks)
        return sources


def positions(about: Composing, sources: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Return target → positions in ``sources``, the recipe's tasks, of what an entry is made of; in the entry's order.

    The adapters of one method, with random weights or shuffled answers too, are in the order of the recipe's tasks. A
    task that is not among them is left out; :func:`wrong_subsets` reports it.
    """
    return {
        target: tuple(sources.index(task) for task in tasks if task in sources)
        for target, tasks in about.sources.items()
    }


def wrong_subsets(
    entries: Mapping[str, ParsedEntry], document: Document, sources: Sequence[str], targets: Sequence[str]
) -> Iterator[Problem]:
    """Yield a problem for each target and each source that an entry names and the recipe does not have."""
    for label, entry in entries.items():
        for target, tasks in entry.about.sources.items():
            where = document.where("compositions", label, "sources", target)
            if target not in targets:
                yield Problem(f"{label!r} names no target of the recipe: {target!r}", where, suggest(target, targets))
            for task in tasks:
                if task not in sources:
                    yield Problem(f"{label!r} names no source of the recipe: {task!r}", where, suggest(task, sources))


def wrong_numbers(
    entries: Iterable[Entry], document: Document, sources: Sequence[str], targets: Sequence[str]
) -> Iterator[Problem]:
    """Yield a problem where an entry has more or fewer sources for a target than its method takes, or than weights."""
    for entry in entries:
        numbers = {len(entry.made_of.get(target, sources)): target for target in reversed(targets)}
        for number, target in sorted(numbers.items()):
            try:
                COMPOSITIONS.get(entry.method).require_sources(number, entry.settings)
            except InputError as wrong:
                where = document.where("compositions", entry.label, wrong.where or "method")
                hint = "An entry may name its sources for each target: sources: {TARGET: [TASK, …]}."
                yield Problem(
                    f"{entry.label!r} for {target!r}: {wrong.what}", where, f"{wrong.hint or ''}\n{hint}".strip()
                )


def unsuited(
    entries: Iterable[Entry], document: Document, sources: Sequence[str], targets: Mapping[str, str]
) -> Iterator[Problem]:
    """Yield a problem where a method cannot make of its sources what its entry asks for, by the first such target.

    ``sources`` are the kinds of the recipe's sources, ``targets`` those of the targets, by name.
    """
    for entry in entries:
        for target, kind in targets.items():
            made_of = entry.made_of.get(target, range(len(sources)))
            purpose = Purpose(METHODS.get(entry.family).library, tuple(sources[index] for index in made_of), kind)
            try:
                COMPOSITIONS.get(entry.method).require_suited(purpose, entry.settings)
            except InputError as wrong:
                where = document.where("compositions", entry.label, wrong.where or "method")
                yield Problem(f"{entry.label!r} for {target!r}: {wrong.what}", where, wrong.hint)
                break
