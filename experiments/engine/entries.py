"""The labelled entries of a recipe: each names a method, a router, … and its settings.

Two labels that look the same on a page would show the numbers of one entry as those of the other.
"""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from workbench.errors import InputError, Problem, UnknownNameError, collected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from workbench.known_keys import Place
    from workbench.settings import Document, Key

    Lookup = Callable[[str, str | None], "Card"]


class Card(Protocol):
    """Whatever is registered with a model of its settings."""

    @property
    def settings(self) -> type[Any]: ...  # noqa: D102


def named_entries(
    document: Document, key: Key, word: str | None, card: Lookup, problems: list[Problem]
) -> dict[str, tuple[str, Any]]:
    """Return by label what the entries at ``key`` name, and its settings; ``problems`` take what is wrong with others.

    Args:
        document: of the recipe.
        key: where the entries stand.
        word: the key under which an entry says what it names, if any does; else its label is the name.
        card: finds what is named; raises InputError, which names the place.
        problems: so far.
    """
    entries = {}
    for label, entry in document.entries(*key).items():
        entry_key = (*key, label)
        settings = {name: value for name, value in entry.items() if name != word}
        with collected(problems):
            name = entry.get(word, label) if word else label
            named_card = card(name, document.where(*entry_key, *([word] if word in entry else [])))
            entries[label] = name, document.parse_part(entry_key, settings, named_card.settings)
    return entries


def settings_of_entries(document: Document, key: Key, word: str | None, card: Lookup) -> Iterator[Place]:
    """Yield where in a recipe which settings stand, as far as what its entries name is known."""
    for label, entry in document.entries(*key).items():
        with suppress(InputError):
            yield (*key, label), card(entry.get(word, label) if word else label, None).settings


def wrong_labels(document: Document, keys: Sequence[str], noun: str) -> list[Problem]:
    """Return a problem for each label under ``keys`` that another one looks like, and for a reference that is none."""
    labels = [(label, document.where(key, label)) for key in keys for label in document.labels(key)]
    problems = [*collisions(labels)]
    names, reference = [label for label, _ in labels], document.text("reference")
    if reference is not None and reference not in names:
        error = UnknownNameError(noun, reference, names, document.where("reference"))
        problems.append(Problem(error.what, error.where, error.hint))
    return problems


def same(label: str) -> str:
    """Return what a reader takes a label for: without case, width of its letters, and spaces that were doubled."""
    return " ".join(unicodedata.normalize("NFKC", label).casefold().split())


def collisions(labels: Iterable[tuple[str, str]], taken: Iterable[str] = ()) -> Iterator[Problem]:
    """Yield a problem for each label that another row of the same tables has.

    Args:
        labels: each with the place where it stands.
        taken: labels of rows that the tables have anyway.
    """
    rows = {same(label): label for label in taken}
    for label, where in labels:
        read = same(label)
        if read in rows:
            message = f"{label!r} and {rows[read]!r} would be the same row of the tables"
            yield Problem(message, where, "Give it another label.")
        rows.setdefault(read, label)
