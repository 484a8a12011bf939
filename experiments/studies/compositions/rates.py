"""The learning rate of a composition that trains what it begins at, where the recipe names none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from experiments.studies.compositions.entry import fresh_settings
from fusion.methods import COMPOSITIONS

if TYPE_CHECKING:
    from experiments.studies.compositions.entry import Entry
    from workbench.settings.base import MethodSettings

RATE = "learning_rate"


def at_fresh_rate(entry: Entry, source: MethodSettings, fresh: MethodSettings | None) -> Entry:
    """Return an entry that begins a training at its sources with the learning rate of a fresh adapter.

    So the two differ in the sources alone. A rate that is named stays, and so does that of weights that are learned.

    Args:
        entry: a composition.
        source: settings of its first source.
        fresh: what is set for fits from nothing; None where nothing is.
    """
    settings = entry.settings
    begins = COMPOSITIONS.get(entry.method).from_one_source(settings) is not None
    if not begins or RATE in settings.model_fields_set or RATE not in type(settings).model_fields:
        return entry
    rate = fresh_settings(source, fresh).learning_rate
    if rate == settings.learning_rate:
        return entry
    return replace(entry, settings=settings.model_copy(update={RATE: rate}))
