"""What a composition that trains what it begins at has of a fresh adapter: learning rate and rank, if not its training.

A warm start trains a plain LoRA. A fresh adapter of a method that begins or trains in a way of its own (LoRA+, LoRA-FA,
EVA, …) differs from it in more than the sources: its control is a plain LoRA that begins fresh.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapter_workbench.experiments.studies.compositions.entry import fresh_settings
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.workbench.errors import Problem
from adapter_workbench.workbench.methods.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter_workbench.experiments.studies.compositions.entry import Entry
    from adapter_workbench.workbench.settings.base import Document, MethodSettings

LIKE_FRESH = ("learning_rate", "rank")


def like_fresh(entry: Entry, source: MethodSettings, fresh: MethodSettings | None) -> Entry:
    """Return an entry that begins a training at its sources with the learning rate and the rank of a fresh adapter.

    So the two differ in the sources alone. What is named stays, and so does the rate of weights that are learned.

    Args:
        entry: a composition.
        source: settings of its first source.
        fresh: what is set for fits from nothing; None where nothing is.
    """
    settings, beside = entry.settings, fresh_settings(source, fresh)
    if COMPOSITIONS.get(entry.method).from_one_source(settings) is None:
        return entry
    open_ones = (type(settings).model_fields.keys() & type(beside).model_fields.keys()) - settings.model_fields_set
    changes = {
        name: getattr(beside, name)
        for name in LIKE_FRESH
        if name in open_ones and getattr(beside, name) != getattr(settings, name)
    }
    return replace(entry, settings=settings.model_copy(update=changes)) if changes else entry


def unlike_fresh(entry: Entry) -> bool:
    """Return whether it trains what it begins at, and a fresh adapter of the sources' method is trained otherwise."""
    card = COMPOSITIONS.get(entry.method)
    if card.from_one_source(entry.settings) is None or card.sourceless(entry.settings):
        return False
    return not METHODS.get(entry.family).trains_plainly


def without_control(entries: Sequence[Entry], document: Document) -> Iterator[Problem]:
    """Yield a problem for each entry that a fresh adapter is no control of, and that names no other."""
    controls = {entry.label for entry in entries if entry.role == "control"}
    for entry in entries:
        if unlike_fresh(entry) and entry.against not in controls:
            message = f"{entry.label!r} trains a plain LoRA, and a fresh {entry.family} begins or trains in another way"
            hint = f"Add a row that begins fresh (method: {entry.method}, start: fresh), and name it: against: LABEL."
            yield Problem(message, document.where("compositions", entry.label), hint)


def begun_fresh(entry: Entry) -> Entry:
    """Return the control of an entry that :func:`unlike_fresh` finds: the same without sources."""
    settings = entry.settings.model_copy(update={"start": ("fresh",)})
    return replace(entry, label=f"{entry.label}, no sources", role="control", settings=settings)
