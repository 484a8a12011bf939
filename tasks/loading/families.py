"""Families: one task file that declares many tasks, each overriding some of its keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from adapter_workbench.workbench.errors import InputError, Problem, SettingsError
from adapter_workbench.workbench.settings.base import Document


def members(document: Document, stem: str) -> dict[str, Document]:
    """Return the documents of a family's members in stream order; a file without a family has one member, itself.

    Raises:
        SettingsError: a member without a name, with a name that does not begin with ``stem``, or named twice.
    """
    if "family" not in document.data:
        return {stem: document}
    base = {key: value for key, value in document.data.items() if key != "family"}
    documents: dict[str, Document] = {}
    problems = []
    for index, member in enumerate(_members(document)):
        name = member.get("name")
        if not isinstance(name, str) or not name.startswith(f"{stem}-") or name in documents:
            message = f"member {index + 1} of the family is called {name!r}"
            problems.append(
                Problem(
                    message,
                    document.where("family", index),
                    f"Give every member a name of its own that begins with {stem}-.",
                )
            )
            continue
        prefix = ("family", index)
        own = {key[2:]: line for key, line in document.lines.items() if key[:2] == prefix and len(key) > 2}
        lines = {**document.lines, **own}
        documents[name] = Document(_merge(base, member), document.origin, lines, document.overrides)
    if problems:
        raise SettingsError(problems)
    return documents


def _members(document: Document) -> Iterable[Mapping[str, Any]]:
    family = document.data["family"]
    if not isinstance(family, list) or not family or not all(isinstance(member, dict) for member in family):
        raise InputError("'family' has to be a list of members (mappings)", where=document.where("family"))
    return family


def _merge(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        nested = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if nested else value
    return merged
