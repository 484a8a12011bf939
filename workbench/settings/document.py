"""A YAML file, or settings from a command line, as typed models: all that is wrong in one message, with its lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from adapter_workbench.workbench.errors import InputError, Problem, SettingsError, collect_problems
from adapter_workbench.workbench.settings import known_keys
from adapter_workbench.workbench.settings.known_keys import LocatedModel
from adapter_workbench.workbench.settings.yaml_text import Key, parse, read_text, require_characters

SettingsT = TypeVar("SettingsT", bound=BaseModel)

MOST_HINTS = 20  # of the problems of one model: a message lists fewer
MOST_READ = 1000  # entries of a list or mapping that is not known to fit: no model takes more
DEEPEST_SETTING = 10
TOLD = {  # what pydantic says otherwise in words of Python
    "dict_type": "expected a mapping of keys to values",
    "model_type": "expected a mapping of keys to values",
    "tuple_type": "expected a list",
    "list_type": "expected a list",
    "string_type": "expected text",
    "invalid_key": "a key here has to be text",
}


@dataclass(frozen=True)
class Document:
    """A parsed YAML file with the line of each key."""

    data: dict[str, Any]  # the parsed content, a mapping
    origin: str  # what to call it in messages (a path, or ``command line``)
    lines: Mapping[Key, int] = field(default_factory=dict)  # line number (from 1) of each key path
    overrides: Mapping[Key, str] = field(default_factory=dict)  # key paths that came from ``--set``

    def where(self, *key: str | int) -> str:
        """Return ``file, line N`` (or ``--set key=value``) for a key path, or for the nearest path above it."""
        paths_above = [key[:depth] for depth in range(len(key), 0, -1)]
        assignment = next(
            (self.overrides[path_above] for path_above in paths_above if path_above in self.overrides), None
        )
        if assignment is None and key not in self.lines:
            assignment = next((text for path, text in self.overrides.items() if key and path[: len(key)] == key), None)
        if assignment is not None:  # what was set replaces all that stood below
            return f"--set {assignment}"
        for path_above in paths_above:
            for path in (path_above, tuple(map(str, path_above))):  # YAML reads some keys as numbers
                if path in self.lines:
                    return f"{self.origin}, line {self.lines[path]}"
        return self.origin

    def names(self, *key: str | int) -> list[tuple[int, str]]:
        """Return the texts in the list at a key path with their indices, even if other parts have mistakes."""
        value = self._at(key)
        listed = value[:MOST_READ] if isinstance(value, list | tuple) else ()
        return [(index, text) for index, text in enumerate(listed) if isinstance(text, str)]

    def text(self, *key: str | int) -> str | None:
        """Return the text at a key path; None where there is none."""
        value = self._at(key)
        return value if isinstance(value, str) else None

    def labels(self, *key: str | int) -> list[str]:
        """Return the keys of the mapping at a key path, as far as they are text."""
        value = self._at(key)
        listed = islice(value, MOST_READ) if isinstance(value, dict) else ()
        return [name for name in listed if isinstance(name, str)]

    def entries(self, *key: str | int) -> dict[str, dict[str, Any]]:
        """Return the mappings in the mapping at a key path, even if other parts have mistakes."""
        value = self._at(key)
        return {name: value[name] for name in self.labels(*key) if isinstance(value[name], dict)}

    def set(self, assignments: Iterable[str]) -> Document:
        """Return a copy with ``a.b=value`` assignments applied; a value is read as YAML.

        Raises:
            SettingsError: assignments without ``=``, with a value that is not YAML, or that go through something that
                is not a mapping; all of them in one message.
        """
        data, overrides = _copy(self.data), dict(self.overrides)
        problems: list[Problem] = []
        for assignment in assignments:
            with collect_problems(problems):
                changed = _assign(data, assignment)
                overrides = {key: text for key, text in overrides.items() if key[: len(changed)] != changed}
                overrides[changed] = assignment
        if problems:
            raise SettingsError(problems)
        return Document(data, self.origin, self.lines, overrides)

    def parse(self, model: type[SettingsT], beside: Iterable[LocatedModel] = ()) -> SettingsT:
        """Return the document as ``model``; ``beside`` are models of its parts, for hints on keys that stand elsewhere.

        Raises:
            SettingsError: everything that does not fit, each with its line and, for a key, the nearest known key.
        """
        return self.parse_part((), self.data, model, beside)

    def parse_parts(self, *parts: tuple[Key, object, type[BaseModel]]) -> list[Any]:
        """Return several parts (key, data, model) as their models, in order; raises one error for all of them."""
        parsed: list[Any] = []
        problems: list[Problem] = []
        beside = [(key, model) for key, _, model in parts]
        for key, data, model in parts:
            with collect_problems(problems):
                parsed.append(self.parse_part(key, data, model, beside))
        if problems:
            raise SettingsError(problems)
        return parsed

    def parse_part(
        self, key: Key, data: object, model: type[SettingsT], beside: Iterable[LocatedModel] = ()
    ) -> SettingsT:
        """Return ``data``, which stands at ``key`` of this document, as ``model``; raises as :meth:`parse`."""
        if isinstance(data, dict) and len(data) > MOST_READ:  # each would become a problem of its own
            raise SettingsError([Problem(f"{len(data):,} keys, more than any settings have", self.where(*key))])
        try:
            return model.model_validate(data)
        except ValidationError as error:
            raise SettingsError(self._problems(key, data, model, error, tuple(beside))) from None

    def _problems(
        self, key: Key, data: object, model: type[BaseModel], error: ValidationError, beside: tuple[LocatedModel, ...]
    ) -> Iterable[Problem]:
        details: dict[Key, Any] = {}
        for detail in error.errors(include_url=False, include_context=False):
            inner = _inside(data, detail["loc"], is_absent=detail["type"] == "missing")
            # a value that may be of several types is wrong once, as deep as can be told
            if inner not in details or (_of_its_sort(detail) and not _of_its_sort(details[inner])):
                details[inner] = detail
        problems: dict[Key, Problem] = {}
        unknown = 0
        for inner, detail in details.items():
            hint = None
            if detail["type"] == "extra_forbidden":
                unknown += 1
                hint = known_keys.hint(inner, model, key, beside) if unknown <= MOST_HINTS else None
            problems[inner] = self._problem((*key, *inner), detail, hint)
        above = {path[:depth] for path in problems for depth in range(len(path))}
        return [problem for path, problem in problems.items() if path not in above]

    def _problem(self, path: Key, detail: Any, hint: str | None) -> Problem:
        name = ".".join(map(str, path)) or "the file"
        if detail["type"] == "extra_forbidden":
            return Problem(f"unknown key {name!r}", self.where(*path), hint)
        if detail["type"] == "missing":
            return Problem(f"{name!r} is missing", self.where(*path[:-1]))
        message = TOLD.get(detail["type"], detail["msg"]).removeprefix("Value error, ")
        if detail["loc"][-1:] == ("[key]",) and not isinstance(detail["input"], str):
            message, hint = "a name here has to be text", "Put it in quotes."
        return Problem(f"{name!r}: {message}{_given_value(detail['input'])}", self.where(*path), hint)

    def _at(self, key: Key) -> Any:
        value: Any = self.data
        for name in key:
            value = value.get(name) if isinstance(value, dict) else None
        return value


def read(path: Path) -> Document:
    """Return the YAML mapping in ``path``.

    Raises:
        InputError: no such file, not YAML, not a mapping, or a key that stands twice; see
        :mod:`adapter_workbench.workbench.settings.yaml_text`.
    """
    parsed = parse(read_text(path), str(path))
    if not isinstance(parsed.data, dict):
        raise InputError("expected a mapping of keys to values", where=str(path))
    return Document(parsed.data, str(path), parsed.lines)


def _of_its_sort(detail: Any) -> bool:
    """Return whether an error is about words where a word was given, or about other values where another was."""
    return bool(detail["type"] == "literal_error") == isinstance(detail["input"], str)


def _assign(data: dict[str, Any], assignment: str) -> Key:
    """Write what ``a.b=value`` says into ``data``, and return the key path."""
    name, equals, text = assignment.partition("=")
    parts = name.split(".")
    if not equals or not all(map(str.strip, parts)):
        raise InputError(f"expected key=value, got {assignment!r}", where="--set")
    where = f"--set {assignment}"
    require_characters(name, where)
    if len(parts) > DEEPEST_SETTING:
        raise InputError(f"no setting is {len(parts)} levels deep", where=where)
    value = parse(text, where).data
    mapping = data
    for parent in parts[:-1]:
        if mapping.get(parent) is None:
            mapping[parent] = {}
        mapping = mapping[parent]
        if not isinstance(mapping, dict):
            raise InputError(f"{parent!r} is a single value and has no settings inside", where=where)
    mapping[parts[-1]] = value
    return tuple(parts)


def _inside(data: Any, loc: Iterable[str | int], is_absent: bool) -> Key:
    """Return the key path of an error in ``data``; pydantic's path also has the types that it tried.

    ``is_absent``: the last part is a key that is not there, and should be.
    """
    path: list[str | int] = []
    *parents, last = loc or ("",)
    for name in parents:
        if _holds(data, name):
            path.append(name)
            data = data[name]
    if _holds(data, last) or (is_absent and isinstance(data, dict)):
        path.append(last)
    return tuple(path)


def _holds(data: Any, name: str | int) -> bool:
    if isinstance(data, list | tuple):
        return isinstance(name, int) and name < len(data)
    return isinstance(data, dict) and name in data


def _given_value(value: object) -> str:
    """Return the given value in words, if it is short."""
    if isinstance(value, dict | list | tuple):
        return ""
    word = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return f" (got {word})"


def _copy(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _copy(value) for name, value in data.items()}
    return [_copy(value) for value in data] if isinstance(data, list) else data
