"""How to get a report's numbers once more: the command, and the circumstances under which they came about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.presentation import Definitions

if TYPE_CHECKING:
    from collections.abc import Mapping


def once_more(provenance: Mapping[str, str]) -> Definitions:
    """Return the block that every page ends with."""
    entries = tuple((name, what) for name, what in provenance.items() if name != "command")
    return Definitions("Once more", entries, command=provenance.get("command", ""))
