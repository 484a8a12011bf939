"""Under which circumstances each router and joint model came to its accuracy, for whoever compares them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from experiments.studies.routing.record import JOINT, ORACLE, ROUTER

if TYPE_CHECKING:
    from experiments.studies.routing.record import Contender, RoutingRecord


def circumstances(record: RoutingRecord) -> dict[str, dict[str, Any]]:
    """Return for each contender what it is told, what it learns from, and how many models it may ask."""
    return {contender.label: _own(record, contender) for contender in record.contenders}


def _own(record: RoutingRecord, contender: Contender) -> dict[str, Any]:
    joint, tasks = contender.role == JOINT, len(record.tasks)
    return {
        "is told the task": "yes" if (contender.role, contender.name) == (ROUTER, ORACLE) else "no",
        "models that answer": 1 if joint else tasks,
        "tasks whose examples a fit sees": tasks if joint else 1,
        "examples of each task that the router reads": _read(record, contender),
        "optimiser steps of the router for each task": 0 if joint else contender.settings.get("steps", 0),
    }


def _read(record: RoutingRecord, contender: Contender) -> int | str | None:
    if contender.role == ROUTER and contender.reads_data is None:
        return None  # a record of an earlier version
    return (record.budget.get("train_examples") or "all") if contender.reads_data else 0
