"""Ids of adapters: which there can be, and how a person may shorten one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from workbench.errors import InputError, UnknownNameError

LONGEST_ID = 200  # bytes; a file system takes 255 for a name, and temporary files beside the folder have longer names
ID = re.compile(r"[^\W_][\w.+@=-]*")
MOST_NAMED = 4  # ids that a message lists


def by_id(name: str, ids: Sequence[str]) -> str:
    """Return the id in ``ids`` that ``name`` equals, begins, or is the key of; the key follows an id's last hyphen.

    Raises:
        UnknownNameError: none does.
        InputError: several do.
    """
    if name in ids:
        return name
    matches = [adapter_id for adapter_id in ids if name and adapter_id.startswith(name)]
    matches = matches or [adapter_id for adapter_id in ids if name == short_id(adapter_id, ids)]
    if len(matches) > 1:
        more = f" and {len(matches) - MOST_NAMED} more" if len(matches) > MOST_NAMED else ""
        message = f"{name!r} begins {len(matches)} ids: {', '.join(matches[:MOST_NAMED])}{more}"
        raise InputError(message, hint="Give more of the id, or the name of a task.")
    if not matches:
        raise UnknownNameError("adapter", name, ids)
    return matches[0]


def short_id(name: str, ids: Sequence[str]) -> str:
    """Return the key that an id ends with, ``6b7f4df4`` of ``bbc-news-lora-6b7f4df4``; all of it if another has it."""
    last = name.rpartition("-")[2]
    return name if sum(adapter_id.rpartition("-")[2] == last for adapter_id in ids) > 1 else last
