"""Which keys settings models have, and which other model has a key of this name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, get_origin

from pydantic import BaseModel

from adapter_workbench.workbench.errors import suggest
from adapter_workbench.workbench.settings.yaml_text import Key

LocatedModel = tuple[Key, type[BaseModel]]  # where in a document a model stands
MOST_PATHS = 3  # that a hint names


def hint(inner: Sequence[str | int], model: type[BaseModel], key: Key, beside: Iterable[LocatedModel]) -> str:
    """Return a hint for an unknown key: which known key was probably meant.

    Args:
        inner: where the unknown key stands inside ``model``.
        model: what was read.
        key: where in the document that begins.
        beside: the other models of the document.
    """
    name, own, beside = str(inner[-1]), keys(model, inner), tuple(beside)
    whole = (*key, *inner)
    sections = [str(start[-1]) for start, _ in beside if start and start[:-1] == whole[:-1] and start[-1] not in own]
    own += sections
    guesses = near(name, own)
    if guesses and guesses[0] in sections:
        return f"Did you mean {guesses[0]}?"
    paths = [path for start, holder in ((key, model), *beside) for path in _paths(holder, start)]
    exact = [path for path in paths if path[-1] == name]
    if not exact and not guesses:
        elsewhere = near(name, [str(path[-1]) for path in paths])
        exact = [path for path in paths if path[-1] in elsewhere[:1]]
    if not exact:
        return suggest(name, own)
    dotted = list(dict.fromkeys(".".join(map(str, path)) for path in exact))
    more = ", …" if len(dotted) > MOST_PATHS else ""
    return f"Did you mean {' or '.join(dotted[:MOST_PATHS])}{more}?"


def keys(model: type[BaseModel], inner: Sequence[str | int]) -> list[str]:
    """Return the field names of the model that holds the last part of ``inner``."""
    holder: Any = model
    for part in inner[:-1]:
        fields = getattr(holder, "model_fields", {})
        annotation = fields[part].annotation if part in fields else holder
        holder = next(iter(_models(annotation)), annotation)
    return _names(holder)


def near(name: str, known: Iterable[str]) -> list[str]:
    """Return the names that ``name`` may be a slip of."""
    return difflib.get_close_matches(name[:200], sorted(set(known)), n=3, cutoff=0.55)


def _paths(model: type[BaseModel], key: Key) -> Iterator[Key]:
    for name, info in model.model_fields.items():
        path = (*key, info.alias or name)
        yield path
        for inside in _models(info.annotation) if get_origin(info.annotation) not in (dict, list, tuple) else ():
            yield from _paths(inside, path)


def _models(annotation: Any) -> list[type[BaseModel]]:
    inside = [annotation, *getattr(annotation, "__args__", ())]
    return [candidate for candidate in inside if hasattr(candidate, "model_fields")]


def _names(model: Any) -> list[str]:
    return [info.alias or name for name, info in getattr(model, "model_fields", {}).items()]
