"""The labelled entries of a recipe: each names a method, a router, … and its settings.

Two labels that look the same on a page would show the numbers of one entry as those of the other.
"""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from workbench.errors import InputError, Problem, SettingsError, UnknownNameError, collect_problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from workbench.settings.base import Document, Key
    from workbench.settings.known_keys import LocatedModel

    Lookup = Callable[[str, str | None], "Card"]


class Card(Protocol):
    """Whatever is registered with a model of its settings."""

    @property
    def settings(self) -> type[Any]: ...  # noqa: D102


@dataclass(frozen=True)
class ParsedEntry:
    """What an entry names, and the settings that it gives of it: by the word under which it stands.

    Attributes:
        about: what the entry says of itself, where its form has that.
    """

    names: Mapping[str, str]
    settings: Mapping[str, Any]
    about: Any = None


@dataclass(frozen=True)
class EntryForm:
    """How the entries at a key of a recipe are written, all in one way: what each names, and settings of that.

    Attributes:
        key: where the entries stand.
        cards: the word under which an entry says what it names → what finds it; raises InputError, which names the
            place. With one word, an entry that leaves it out names what its label says. The last one has all settings
            that belong to no other.
        about: what an entry may say of itself beside.
    """

    key: Key
    cards: Mapping[str, Lookup]
    about: type[Any] | None = None

    def read(self, document: Document, problems: list[Problem]) -> Iterator[tuple[str, ParsedEntry]]:
        """Yield each entry by its label; ``problems`` take what is wrong with others."""
        for label, entry in document.entries(*self.key).items():
            named = None
            with collect_problems(problems):
                named = self._named(document, label, entry)
            if named:
                yield label, named

    def settings_in(self, document: Document) -> Iterator[LocatedModel]:
        """Yield where in a recipe which settings stand, as far as what its entries name is known."""
        for label, entry in document.entries(*self.key).items():
            if self.about:
                yield (*self.key, label), self.about
            for word, card in self.cards.items():
                with suppress(InputError):
                    yield (
                        (*self.key, label),
                        card(entry.get(word, label if len(self.cards) == 1 else ""), None).settings,
                    )

    def _named(self, document: Document, label: str, entry: Mapping[str, Any]) -> ParsedEntry:
        path = (*self.key, label)
        missing = [word for word in self.cards if word not in entry and len(self.cards) > 1]
        if missing:
            raise InputError(f"{'.'.join(map(str, path))!r} needs {' and '.join(missing)}", where=document.where(*path))
        names = {word: entry.get(word, label) for word in self.cards}
        wrong: list[Problem] = []
        models: dict[str, type[Any]] = {}
        for word, card in self.cards.items():
            with collect_problems(wrong):
                models[word] = card(names[word], document.where(*path, *([word] if word in entry else []))).settings
        if wrong:
            raise SettingsError(wrong)
        rest = {name: value for name, value in entry.items() if name not in self.cards}
        forms = ([self.about] if self.about else []) + [*models.values()]
        parts = [{name: rest.pop(name) for name in form.model_fields if name in rest} for form in forms[:-1]]
        given = zip([*parts, rest], forms, strict=True)
        parsed = document.parse_parts(*((path, part, form) for part, form in given))
        about = parsed.pop(0) if self.about else None
        return ParsedEntry(names, dict(zip(models, parsed, strict=True)), about)


def named_entries(
    document: Document, key: Key, word: str | None, card: Lookup, problems: list[Problem]
) -> dict[str, tuple[str, Any]]:
    """Return by label what the entries at ``key`` name, and its settings; ``problems`` take what is wrong with others.

    ``word`` and ``card`` are those of :class:`EntryForm`; without a word, an entry's label is the name.
    """
    named = EntryForm(key, {word or "": card}).read(document, problems)
    return {label: (entry.names[word or ""], entry.settings[word or ""]) for label, entry in named}


def settings_of_entries(document: Document, key: Key, word: str | None, card: Lookup) -> Iterator[LocatedModel]:
    """Yield where in a recipe which settings stand, as far as what its entries name is known."""
    yield from EntryForm(key, {word or "": card}).settings_in(document)


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
