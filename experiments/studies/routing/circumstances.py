"""The circumstances of each accuracy: what differs between routers and joint models besides what is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.studies.routing.record import JOINT, ORACLE, ROUTER

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.routing.record import Entry, RoutingRecord


def circumstances(record: RoutingRecord) -> dict[str, dict[str, Any]]:
    """Return for each entry whether it knows the task, what it learns from, and how many models it may ask."""
    return {entry.label: _own(record, entry) for entry in record.entries}


def _own(record: RoutingRecord, entry: Entry) -> dict[str, Any]:
    joint, tasks = entry.role == JOINT, len(record.tasks)
    return {
        "is told the task": "yes" if (entry.role, entry.name) == (ROUTER, ORACLE) else "no",
        "models that answer": 1 if joint else tasks,
        "tasks whose examples a fit sees": tasks if joint else 1,
        "examples of each task that the router reads": _read(record, entry),
        "optimiser steps of the router for each task": 0 if joint else entry.settings.get("steps", 0),
    }


def _read(record: RoutingRecord, entry: Entry) -> int | str | None:
    if entry.role == ROUTER and entry.reads_data is None:
        return None  # a record of an earlier version
    return (record.budget.get("train_examples") or "all") if entry.reads_data else 0
