"""Ids of adapters: which there can be, and how a person may shorten one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from adapter_workbench.workbench.errors import InputError, UnknownNameError

LONGEST_ID = 200  # bytes; a file system takes 255 for a name, and temporary files beside the folder have longer names
ID = re.compile(r"[^\W_][\w.+@=-]*")
MOST_NAMED = 4  # ids that a message lists
ADAPTERS = "workbench adapters list"  # the command that lists them all


def require_id(text: str, where: str | None = None) -> None:
    """Raise InputError where ``text`` cannot be an adapter's id: it is the name of a folder, and leads to no other."""
    if not ID.fullmatch(text) or len(text.encode(errors="replace")) > LONGEST_ID:
        hint = f"An id has letters, digits and . _ + - @ = and at most {LONGEST_ID} bytes."
        raise InputError(f"{text!r} cannot be an adapter's id", where=where, hint=hint)


def by_id(name: str, ids: Sequence[str], listed: str = "") -> str:
    """Return the id in ``ids`` that ``name`` equals, begins, or is the key of; the key follows an id's last hyphen.

    ``listed`` says where the ids are listed, if not by the command.

    Raises:
        UnknownNameError: none does.
        InputError: several do.
    """
    if name in ids:
        return name
    matches = [adapter_id for adapter_id in ids if name and adapter_id.startswith(name)]
    matches = matches or [adapter_id for adapter_id, short in zip(ids, short_ids(ids), strict=True) if name == short]
    if len(matches) > 1:
        raise InputError(
            f"{name!r} begins {len(matches)} ids: {_first_ids(matches)}",
            hint="Give more of the id, or the name of a task.",
        )
    if not matches:
        raise UnknownNameError("adapter", name, ids, also=listed, command="" if listed else ADAPTERS)
    return matches[0]


def certain_id(name: str, ids: Sequence[str]) -> str:
    """Return the id in ``ids`` that ``name`` equals, or is the key of, or begins up to some characters of the key.

    It is for what cannot be undone: a shorter beginning may be the name of a task, and of an adapter of another task.

    Raises:
        UnknownNameError: no id begins so.
        InputError: several do, or too little of one is given.
    """
    if name in ids:
        return name
    keyed = [adapter_id for adapter_id in ids if adapter_id.rpartition("-")[2] == name]
    if len(keyed) == 1:
        return keyed[0]
    begun = [adapter_id for adapter_id in ids if name and adapter_id.startswith(name)]
    if not begun:
        raise UnknownNameError("adapter", name, ids, command=ADAPTERS)
    if len(begun) > 1:
        raise InputError(f"{name!r} begins {len(begun)} ids: {_first_ids(begun)}", hint="Give one of them.")
    head, hyphen, _ = begun[0].rpartition("-")
    if not hyphen or len(name) <= len(head + hyphen):
        raise InputError(f"{name!r} is not the id of an adapter", hint=f"Did you mean {begun[0]}?")
    return begun[0]


def short_ids(ids: Sequence[str]) -> list[str]:
    """Return the key of each id, ``6b7f4df4`` of ``bbc-news-lora-6b7f4df4``; the whole id where another has its key."""
    keys = [adapter_id.rpartition("-")[2] for adapter_id in ids]
    counts = Counter(keys)
    return [adapter_id if counts[key] > 1 else key for adapter_id, key in zip(ids, keys, strict=True)]


def _first_ids(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - MOST_NAMED} more" if len(ids) > MOST_NAMED else ""
    return f"{', '.join(ids[:MOST_NAMED])}{more}"
