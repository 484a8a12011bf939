"""The study of streams: how strategies learn task after task, and what they forget."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from experiments.reporting.presentation import Presentation
    from experiments.studies.stream.pieces import StepPiece
    from experiments.studies.stream.plan import Plan
    from experiments.studies.stream.report import Report
    from experiments.workspace import RecordDocument, Workspace
    from workbench.settings import Document


class Stream:
    """Its pieces are the steps of each contender in each replication."""

    key = "strategies"

    def plan(self, document: Document, task_folders: Sequence[Path]) -> Plan:
        """Resolve a recipe; raises as :func:`experiments.studies.stream.plan.make_plan`."""
        from experiments.studies.stream.plan import make_plan

        return make_plan(document, task_folders)

    def about(self, plan: Plan) -> Mapping[str, Any]:
        """Return the head of its record."""
        from experiments.studies.stream.plan import about

        return about(plan)

    def pieces(self, plan: Plan) -> Sequence[StepPiece]:
        """Return the steps."""
        from experiments.studies.stream.pieces import pieces

        return [*pieces(plan)]

    def describe(self, record: RecordDocument) -> str:
        """Return how many tasks there are, and the backbone."""
        return f"{len(record.about['tasks'])} tasks on {record.about['backbone']}"

    def changed(self, record: RecordDocument, place: Mapping[str, Any]) -> RecordDocument:
        """Return what has the same seed and order: metrics of one strategy may need the scores of another."""
        beside = (place["seed"], place["order"])
        pieces = tuple(piece for piece in record.pieces if (piece.place["seed"], piece.place["order"]) == beside)
        return replace(record, about={**record.about, "seeds": [place["seed"]]}, pieces=pieces)

    def report(self, experiment: str, record: RecordDocument, workspace: Workspace, brief: bool = False) -> Report:
        """Return metrics, differences, the frontier, and the verdict."""
        from experiments.studies.stream.reading import read_record
        from experiments.studies.stream.summary import summarise

        return summarise(read_record(experiment, record, workspace), brief)

    def present(self, report: Report) -> Presentation:
        """Return what people see."""
        from experiments.studies.stream.present import present

        return present(report)


STUDY = Stream()
