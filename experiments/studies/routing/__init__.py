"""Routers compared: who finds the right adapter where nobody names the task, against knowing it and joint training."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from experiments.engine.study import Piece
    from experiments.reporting.presentation import Presentation
    from experiments.studies.routing.plan import RoutingPlan
    from experiments.studies.routing.report import RoutingReport
    from experiments.workspace import RecordDocument, Workspace
    from workbench.settings import Document


class Routing:
    """Its pieces are adapters, models that learned all tasks together, and routers."""

    key = "routers"

    def plan(self, document: Document, task_folders: Sequence[Path]) -> RoutingPlan:
        """Resolve a recipe; raises as :func:`experiments.studies.routing.plan.plan_routing`."""
        from experiments.studies.routing.plan import plan_routing

        return plan_routing(document, task_folders)

    def about(self, plan: RoutingPlan) -> Mapping[str, Any]:
        """Return the head of its record."""
        from experiments.studies.routing.plan import about

        return about(plan)

    def pieces(self, plan: RoutingPlan) -> Sequence[Piece]:
        """Return what is trained and measured."""
        from experiments.studies.routing.pieces import pieces

        return [*pieces(plan)]

    def describe(self, record: RecordDocument) -> str:
        """Return the tasks and the backbone."""
        return f"routers on {', '.join(record.about['tasks'])}, on {record.about['backbone']}"

    def changed(self, record: RecordDocument, place: Mapping[str, Any]) -> RecordDocument | None:
        """Return the other seeds of the same contender; adapters are told at the end."""
        label = place.get("label")
        if label is None:
            return None
        return replace(record, pieces=tuple(piece for piece in record.pieces if piece.place.get("label") == label))

    def report(
        self, experiment: str, record: RecordDocument, workspace: Workspace, brief: bool = False
    ) -> RoutingReport:
        """Return accuracies, confusions, differences from the reference, and times."""
        from experiments.studies.routing.record import read_record
        from experiments.studies.routing.summary import summarise_routing

        routing = read_record(experiment, record, workspace)
        return summarise_routing(routing, workspace.evaluations.known_outcomes, brief)

    def present(self, report: RoutingReport) -> Presentation:
        """Return what people see."""
        from experiments.studies.routing.present import present

        return present(report)


STUDY = Routing()
