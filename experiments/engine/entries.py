"""The labelled entries of a recipe: each names a method, a router, … and its settings.

Labels that look the same on a page are refused: a reader could not tell which numbers belong to which entry.
"""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from adapter_workbench.workbench.errors import InputError, Problem, SettingsError, UnknownNameError, collect_problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from adapter_workbench.workbench.settings.base import Document, Key
    from adapter_workbench.workbench.settings.known_keys import LocatedModel

    Lookup = Callable[[str, str | None], "Card"]


class Card(Protocol):
    """Whatever is registered with a model of its settings."""

    @property
    def settings(self) -> type[Any]: ...  # noqa: D102


@dataclass(frozen=True)
class ParsedEntry:
    """A parsed entry."""

    names: Mapping[str, str]  # what the entry names, by the key under which it does that (``method``, ``router``, …)
    settings: Mapping[str, Any]  # the settings of each, by the same key
    about: Any = None  # settings of the entry itself, if its form has any

    @property
    def only(self) -> tuple[str, Any]:
        """What an entry names that names one thing, and its settings."""
        (name,), (settings,) = self.names.values(), self.settings.values()
        return name, settings


@dataclass(frozen=True)
class EntryForm:
    """The form of the entries under a key of a recipe: what each names, and settings of that."""

    key: Key  # of the entries
    # key under which an entry names something → function that finds its card, or raises InputError. With one such
    # key, an entry without it names what its label says. Settings that belong to no other card are the last
    # one's.
    cards: Mapping[str, Lookup]
    about: type[Any] | None = None  # settings of the entry itself
    # functions that find cards of more names than an entry may give; their settings are known keys too
    known: Mapping[str, Lookup] = field(default_factory=dict)
    # (key, name) → what an entry names besides, where it does not say it and names that
    implied: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)

    def read(self, document: Document, problems: list[Problem]) -> Iterator[tuple[str, ParsedEntry]]:
        """Yield the label and the content of each entry; ``problems`` take what is wrong with others."""
        for label, entry in self._entries(document):
            parsed = None
            with collect_problems(problems):
                parsed = self._parse(document, label, entry)
            if parsed:
                yield label, parsed

    def settings_in(self, document: Document) -> Iterator[LocatedModel]:
        """Yield the key and the model of each entry's settings; entries that name something unknown are left out."""
        for label, entry in self._entries(document):
            if self.about:
                yield (*self.key, label), self.about
            for word, card in {**self.cards, **self.known}.items():
                with suppress(InputError):
                    name = entry.get(word, label if len(self.cards) == 1 else "")
                    yield (*self.key, label), card(name, None).settings

    def _entries(self, document: Document) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the label and the content of each entry, with what it implies."""
        for label, entry in document.entries(*self.key).items():
            implied: dict[str, str] = {}
            for (word, name), others in self.implied.items():
                if entry.get(word) == name:
                    implied |= others
            yield label, {**implied, **entry}

    def _parse(self, document: Document, label: str, entry: Mapping[str, Any]) -> ParsedEntry:
        path = (*self.key, label)
        missing = [word for word in self.cards if word not in entry and len(self.cards) > 1]
        if missing:
            raise InputError(f"{'.'.join(map(str, path))!r} needs {' and '.join(missing)}", where=document.where(*path))
        names = {word: entry.get(word, label) for word in self.cards}
        problems: list[Problem] = []
        models: dict[str, type[Any]] = {}
        for word, card in self.cards.items():
            with collect_problems(problems):
                models[word] = card(names[word], document.where(*path, *([word] if word in entry else []))).settings
        if problems:
            raise SettingsError(problems)
        settings = {name: value for name, value in entry.items() if name not in self.cards}
        forms = ([self.about] if self.about else []) + [*models.values()]
        parts = [{name: settings.pop(name) for name in form.model_fields if name in settings} for form in forms[:-1]]
        with_forms = zip([*parts, settings], forms, strict=True)
        parsed = document.parse_parts(*((path, part, form) for part, form in with_forms))
        about = parsed.pop(0) if self.about else None
        return ParsedEntry(names, dict(zip(models, parsed, strict=True)), about)


def label_problems(document: Document, keys: Sequence[str], noun: str) -> list[Problem]:
    """Return a problem for each label under ``keys`` that looks like another one, and for an unknown reference."""
    labels = [(label, document.where(key, label)) for key in keys for label in document.labels(key)]
    problems = [*collisions(labels)]
    names, reference = [label for label, _ in labels], document.text("reference")
    if reference is not None and reference not in names:
        error = UnknownNameError(noun, reference, names, document.where("reference"))
        problems.append(Problem(error.what, error.where, error.hint))
    return problems


def normalize(label: str) -> str:
    """Return a label as a reader sees it: without case, width of letters, and doubled spaces."""
    return " ".join(unicodedata.normalize("NFKC", label).casefold().split())


def collisions(
    labels: Iterable[tuple[str, str]],
    other_labels: Iterable[str] = (),
    noun: str = "label",
    read_in: str = "the tables",
) -> Iterator[Problem]:
    """Yield a problem for each label that another row of the same tables has.

    Args:
        labels: each with where it is in the recipe.
        other_labels: of rows that the tables have anyway.
        noun: what the message calls them.
        read_in: where they stand together.
    """
    rows = {normalize(label): label for label in other_labels}
    for label, where in labels:
        key = normalize(label)
        if key in rows:
            message = f"{label!r} and {rows[key]!r} look the same in {read_in}"
            yield Problem(message, where, f"Give it another {noun}.")
        rows.setdefault(key, label)
