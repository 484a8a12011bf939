"""The circumstances of each score: what differs between entries besides the way."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.studies.core.tune import first_rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from adapter_workbench.experiments.studies.updates.record import UpdatesRecord, VersionAdapter
    from adapter_workbench.experiments.studies.updates.row import Row


def circumstances(record: UpdatesRecord, rows: Iterable[Row]) -> dict[str, dict[str, Any]]:
    """Return for each entry how many optimiser steps an update takes, how many rows it reads, and its learning rate."""
    entries = {entry.label: entry for entry in record.entries}
    return {
        row.label: {
            "optimiser steps of an update": _mean([cell.fitted.steps for cell in _updates(row)]),
            "training rows read in an update": _mean([cell.rows for cell in _updates(row)]),
            "learning rate": first_rate(row.settings, entries[row.label].default_rate),
        }
        for row in rows
    }


def _updates(row: Row) -> list[VersionAdapter]:
    return [cell for chain in row.updates for cell in chain]


def _mean(counts: Sequence[int | None]) -> int | None:
    """Return the mean, rounded; None where one is not known."""
    known = [count for count in counts if count is not None]
    return round(fmean(known)) if known and len(known) == len(counts) else None
