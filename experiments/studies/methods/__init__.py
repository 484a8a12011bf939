"""Fine-tuning methods compared on the same tasks: score and cost, with one budget for all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from experiments.engine.study import Piece
    from experiments.reporting.presentation import Presentation
    from experiments.studies.methods.plan import ComparisonPlan
    from experiments.studies.methods.report import ComparisonReport
    from experiments.workspace import RecordDocument, Workspace
    from workbench.settings import Document


class Methods:
    """Its pieces are learning rates that are tried, adapters, and costs."""

    key = "methods"

    def plan(self, document: Document, task_folders: Sequence[Path]) -> ComparisonPlan:
        """Resolve a recipe; raises as :func:`experiments.studies.methods.plan.plan_comparison`."""
        from experiments.studies.methods.plan import plan_comparison

        return plan_comparison(document, task_folders)

    def about(self, plan: ComparisonPlan) -> Mapping[str, Any]:
        """Return the head of its record."""
        from experiments.studies.methods.plan import about

        return about(plan)

    def pieces(self, plan: ComparisonPlan) -> Sequence[Piece]:
        """Return what is tried, trained and measured."""
        from experiments.studies.methods.pieces import pieces

        return [*pieces(plan)]

    def describe(self, record: RecordDocument) -> str:
        """Return the tasks and the backbone."""
        return f"methods on {', '.join(record.about['tasks'])}, on {record.about['backbone']}"

    def changed(self, record: RecordDocument, place: Mapping[str, Any]) -> RecordDocument | None:
        """Return the adapters of the same method; rates that were tried, and costs, are logged at the end."""
        if place["part"] != "fit":
            return None
        return replace(record, pieces=tuple(piece for piece in record.pieces if piece.place["label"] == place["label"]))

    def report(
        self, experiment: str, record: RecordDocument, workspace: Workspace, brief: bool = False
    ) -> ComparisonReport:
        """Return scores, differences from the reference, costs, and the recommendation."""
        from experiments.studies.methods.record import read_record
        from experiments.studies.methods.summary import summarise_comparison

        comparison = read_record(experiment, record, workspace)
        return summarise_comparison(comparison, workspace.evaluations.known_outcomes, brief)

    def present(self, report: ComparisonReport) -> Presentation:
        """Return what people see."""
        from experiments.studies.methods.present import present

        return present(report)


STUDY = Methods()
