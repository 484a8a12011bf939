"""Whole JSON documents with many rows: a list of objects, or a task file of Super-NaturalInstructions.

The second holds its rows as ``Instances``, and beside them what all of them share; ``Definition`` says what is
to be done (Wang et al. 2022, arXiv:2204.07705).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from adapter_workbench.tasks.reading.text_files import opened_text
from adapter_workbench.workbench.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

NATURAL = "natural-instructions"


def parse_json(text: str, where: str) -> Any:
    """Return the value of a JSON text.

    Args:
        text: one value.
        where: the file, and the line where the text begins, for messages.

    Raises:
        DataError: no JSON, nested too deeply, an object has a key twice, or it holds half of a character (a lone
            surrogate).
    """
    try:
        value = json.loads(text, object_pairs_hook=partial(_object, where=where))
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        location = where if error.lineno == 1 else f"{where}, line {error.lineno}"
        raise DataError(f"not JSON: {error.msg}", where=location) from None
    except RecursionError:
        raise DataError("this JSON cannot be read: it is nested too deeply", where=where) from None
    except UnicodeEncodeError:
        hint = "Write the whole character, or take it out."
        raise DataError("half of a Unicode character (a lone surrogate)", where=where, hint=hint) from None
    except ValueError as error:  # an integer of thousands of digits
        raise DataError(f"this JSON cannot be read: {error}", where=where) from None
    return value


def _object(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    """Return an object of JSON; raises DataError where a key stands twice: Python would take the last value."""
    value = dict(pairs)
    if len(value) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        hint = "Rename one of them, or leave it out."
        raise DataError(f"the key {twice!r} is twice in one object", where=where, hint=hint)
    return value


def rows(path: Path, format: str, encoding: str) -> Iterator[dict[str, Any]]:  # noqa: A002 - the key's name
    """Yield the rows of a document, ``json`` or ``natural-instructions``.

    A row of the second has the columns ``definition``, ``input`` and ``output``; of several right outputs it has the
    first.

    Raises:
        InputError: no such file.
        DataError: no JSON, or not the document that the format says.
    """
    with opened_text(path, encoding) as text:
        document = parse_json(text.read(), str(path))
    document_rows = list(_instances(document, path) if format == NATURAL else _objects(document, path, "this document"))
    if not document_rows:
        raise DataError("cannot be read: it has no rows", where=str(path))
    yield from document_rows


def _objects(value: Any, path: Path, name: str) -> list[dict[str, Any]]:
    if not (isinstance(value, list) and all(isinstance(row, dict) for row in value)):
        raise DataError(f"expected {name} to be a list of objects", where=str(path))
    return value


def _instances(document: Any, path: Path) -> Iterator[dict[str, Any]]:
    instances = _objects(document.get("Instances") if isinstance(document, Mapping) else None, path, "`Instances`")
    definition = _first_entry(document.get("Definition"))
    if not isinstance(definition, str):
        raise DataError("expected `Definition` to be a text", where=str(path))
    for row in instances:
        yield {"definition": definition.strip(), "input": row.get("input"), "output": _first_entry(row.get("output"))}


def _first_entry(value: Any) -> Any:
    """Return the first entry of a list, None of an empty one, and anything else as it is."""
    return next(iter(value), None) if isinstance(value, list) else value
