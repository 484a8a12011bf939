"""Revisions of an entry of a registry: which of them the key of a result has to name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def last_revision(newest: int, affects: Mapping[int, Callable[..., bool]], *given: Any) -> int:
    """Return the last revision that changed what an entry gives; 1 where none did, so that keys of before stay.

    Args:
        newest: of the entry.
        affects: a revision → ``given`` → whether it changed the result. One that is not named changed all results.
        given: what the result depends on: settings, and what they are applied to.
    """
    for revision in range(newest, 1, -1):
        if revision not in affects or affects[revision](*given):
            return revision
    return 1
