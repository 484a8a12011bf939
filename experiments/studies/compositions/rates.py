"""Learning rate and rank of a composition that trains what it begins at, where the recipe names none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from experiments.studies.compositions.entry import fresh_settings
from fusion.methods import COMPOSITIONS

if TYPE_CHECKING:
    from experiments.studies.compositions.entry import Entry
    from workbench.settings.base import MethodSettings

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
