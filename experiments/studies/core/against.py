"""What each entry of a recipe is compared with: the entry that its ``against`` names, else the recipe's reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pydantic import Field

from adapter_workbench.experiments.studies.core.record import Record
from adapter_workbench.workbench.errors import Problem, suggest
from adapter_workbench.workbench.settings.base import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from adapter_workbench.experiments.engine.draft import Draft
    from adapter_workbench.workbench.settings.base import Key


class ComparedWith(Settings):
    """What an entry may say of its comparison beside its settings; no result of its own depends on it."""

    against: str = Field("", description="the entry that it is compared with, instead of the recipe's reference")


class Comparable(Protocol):
    """An entry of a record.

    Attributes:
        label: what the recipe calls it.
        against: the label of what it is compared with; the reference's where it is empty.
    """

    @property
    def label(self) -> str: ...  # noqa: D102 - above
    @property
    def against(self) -> str: ...  # noqa: D102


def controls(entries: Iterable[Comparable], reference: str, others: Iterable[str] = ()) -> dict[str, str]:
    """Return label → what it is compared with; the reference, which is compared with nothing, is left out.

    ``others``: labels of what an entry may be compared with and is no entry.
    """
    known = {entry.label: entry.against or reference for entry in entries}
    sides = {*known, *others}
    return {label: against for label, against in known.items() if label != reference and against in sides}


class ComparedRecord(Record):
    """A record whose entries say what they are compared with.

    Attributes:
        entries: that are compared.
    """

    entries: tuple[Comparable, ...]

    @property
    def controls(self) -> dict[str, str]:
        """Label → the entry that it is compared with."""
        return controls(self.entries, self.reference)


def uncompared(
    draft: Draft[Any],
    reference: str | None,
    keys: Sequence[Key] = (),
    noun: str = "",
    others: Iterable[str] = (),
) -> Iterator[Problem]:
    """Yield a problem for each ``against`` that names nothing else that is compared, or stands in the reference.

    Args:
        draft: of the recipe.
        reference: the recipe's, if it is known.
        keys: of the forms whose entries have a :class:`ComparedWith`; by default of all forms.
        noun: what may be named, in messages; by default an entry under these keys.
        others: labels of what is compared and is no entry of the recipe.
    """
    keys, document = keys or [*draft.entries], draft.document
    labels = [*(label for key in keys for label in document.labels(*map(str, key))), *others]
    noun = noun or f"entry of {' or '.join(repr(key[-1]) for key in keys)}"
    for key in keys:
        for label, entry in draft.entries[key].items():
            against, where = entry.about.against, document.where(*key, label, "against")
            if against and label == reference:
                yield Problem(f"{label!r} is the reference, and compared with nothing", where, "Leave it out.")
            elif against == label:
                yield Problem(f"{label!r} cannot be compared with itself", where, "Name another entry.")
            elif against and against not in labels:
                yield Problem(f"'against' names no {noun}: {against!r}", where, suggest(against, labels))
