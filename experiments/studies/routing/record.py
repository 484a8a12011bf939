"""What a comparison of routers has measured so far: every number of its report, so that a report needs no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from experiments.studies.routing.outcome import RoutingOutcome
from experiments.workspace.fitted_adapter import FittedAdapter, fitted_adapters
from experiments.workspace.left import Left
from workbench.errors import IntegrityError

if TYPE_CHECKING:
    from experiments.workspace import RecordDocument, Workspace

ROUTER, JOINT = "router", "joint"  # roles
ORACLE = "oracle"  # the router that knows the task of each text


@dataclass(frozen=True)
class Contender:
    """One entry under ``routers`` or ``joint``: its label, its role, and the router or method with its settings."""

    label: str
    role: str
    name: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class ContenderLeft:
    """How a router, or a joint model, does with one seed.

    Attributes:
        outcome: what became of each test text.
        fit_seconds: what it took to learn of all adapters, or to train the joint model; None where the workspace knew
            a part of it before.
        milliseconds: to choose an adapter for a text, on average; None for a joint model, which chooses none.
        label, seed: where it stands in an experiment; empty in the workspace.
    """

    outcome: RoutingOutcome
    fit_seconds: float | None
    milliseconds: float | None
    label: str = ""
    seed: int = 0


LEFT = Left("pieces", ContenderLeft)


@dataclass(frozen=True)
class RoutingRecord:
    """A comparison of routers as far as it has come.

    Attributes:
        experiment: its name.
        reference: label that differences are taken from.
        method: of the tasks' own adapters, with its ``settings``.
        data: task → SHA-256 of its data.
    """

    experiment: str
    description: str
    backbone: str
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    reference: str
    budget: Mapping[str, Any]
    method: str
    settings: Mapping[str, Any]
    contenders: tuple[Contender, ...]
    data: Mapping[str, str] = field(default_factory=dict)
    identity: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict)
    adapters: tuple[FittedAdapter, ...] = ()
    cells: tuple[ContenderLeft, ...] = ()

    @property
    def planned(self) -> int:
        """How many adapters, joint models and routers there will be, one for each seed."""
        return len(self.seeds) * (len(self.tasks) + len(self.contenders))

    @property
    def done(self) -> int:
        """How many of them are there."""
        return len(self.adapters) + len(self.cells)


DERIVED = {"experiment", "identity", "provenance", "adapters", "cells"}
RECORD = TypeAdapter(RoutingRecord)


def header(record: RoutingRecord) -> dict[str, Any]:
    """Return what is the same for all pieces of a record, as JSON has it."""
    content: dict[str, Any] = RECORD.dump_python(record, mode="json", exclude=DERIVED)
    return content


def read_record(experiment: str, document: RecordDocument, workspace: Workspace) -> RoutingRecord:
    """Return a comparison as far as it has come.

    Raises:
        IntegrityError: something that it is made of is damaged or missing.
    """
    try:
        blank = RECORD.validate_python(document.content(experiment))
        adapters = fitted_adapters(document, workspace, "adapter")
        return replace(blank, adapters=adapters, cells=_cells(document, workspace))
    except (KeyError, TypeError, ValidationError) as error:
        what = f"damaged: this is no record of a comparison of routers ({error})"
        raise IntegrityError(what, where=str(workspace.experiment(experiment))) from None


def _cells(document: RecordDocument, workspace: Workspace) -> tuple[ContenderLeft, ...]:
    return tuple(
        replace(left, label=place["label"], seed=place["seed"])
        for role in (ROUTER, JOINT)
        for place, left in LEFT.of(document, workspace, role)
    )
