"""Compositions for few-shot targets, compared with the plain alternatives: one fusion, or a recipe of many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from experiments.engine.study import Piece
    from experiments.reporting.presentation import Presentation
    from experiments.studies.compositions.plan import FusionPlan
    from experiments.studies.compositions.report import FusionReport
    from experiments.workspace import RecordDocument, Workspace
    from workbench.settings import Document


class Compositions:
    """Its pieces are sources, what is known of them, and the trials of all contestants."""

    key = "targets"

    def plan(self, document: Document, task_folders: Sequence[Path]) -> FusionPlan:
        """Resolve a recipe; raises as :func:`experiments.studies.compositions.plan.plan_recipe`."""
        from experiments.studies.compositions.plan import plan_recipe

        return plan_recipe(document, task_folders)

    def about(self, plan: FusionPlan) -> Mapping[str, Any]:
        """Return the head of its record."""
        from experiments.studies.compositions.plan import about

        return about(plan)

    def pieces(self, plan: FusionPlan) -> Sequence[Piece]:
        """Return sources and trials."""
        from experiments.studies.compositions.pieces import pieces

        return [*pieces(plan)]

    def describe(self, record: RecordDocument) -> str:
        """Return the targets and the backbone."""
        return f"compositions for {', '.join(record.about['targets'])} on {record.about['backbone']}"

    def changed(self, record: RecordDocument, place: Mapping[str, Any]) -> None:
        """Return nothing: what is logged are means over targets and seeds, once all of those are there."""

    def report(
        self, experiment: str, record: RecordDocument, workspace: Workspace, brief: bool = False
    ) -> FusionReport:
        """Return scores, gains over the reference, what was kept and what it took."""
        from experiments.studies.compositions.record import read_record
        from experiments.studies.compositions.result import Results
        from experiments.studies.compositions.summary import summarise_fusion

        results = Results(workspace.root / "trials", workspace.mending)
        return summarise_fusion(read_record(experiment, record, workspace), results)

    def present(self, report: FusionReport) -> Presentation:
        """Return what people see."""
        from experiments.studies.compositions.present import present

        return present(report)


STUDY = Compositions()
