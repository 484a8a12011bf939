"""The labelled entries of a recipe: each names a method, a router, … and its settings."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from workbench.errors import InputError, Problem, collected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
        place = (*key, label)
        settings = {name: value for name, value in entry.items() if name != word}
        with collected(problems):
            name = entry.get(word, label) if word else label
            found = card(name, document.where(*place, *([word] if word in entry else [])))
            entries[label] = name, document.parse_part(place, settings, found.settings)
    return entries


def settings_of_entries(document: Document, key: Key, word: str | None, card: Lookup) -> Iterator[Place]:
    """Yield where in a recipe which settings stand, as far as what its entries name is known."""
    for label, entry in document.entries(*key).items():
        with suppress(InputError):
            yield (*key, label), card(entry.get(word, label) if word else label, None).settings
