"""From a name or a record of any study to its report, and from a report to what people see of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from experiments.studies.compositions.record import FusionRecord
from experiments.studies.compositions.report import FusionReport
from experiments.studies.methods.record import ComparisonRecord
from experiments.studies.methods.report import ComparisonReport
from experiments.studies.stream.record import Record
from experiments.studies.stream.report import Report
from experiments.workspace.mending import needed_by

if TYPE_CHECKING:
    from experiments.reporting.presentation import Presentation
    from experiments.workspace import Workspace

AnyRecord: TypeAlias = Record | FusionRecord | ComparisonRecord
AnyReport: TypeAlias = Report | FusionReport | ComparisonReport


def present_of(workspace: Workspace, experiment: str) -> Presentation:
    """Return what people see of an experiment as far as it has come; no model is needed.

    Raises:
        UnknownNameError: no such experiment in this workspace.
        IntegrityError: a file that the report is made of is damaged or missing.
    """
    return present(report_of(workspace, experiment))


def report_of(workspace: Workspace, experiment: str) -> AnyReport:
    """Return the report on an experiment of any kind; raises as :func:`present_of`."""
    workspace.require_experiment(experiment)
    record = workspace.comparison_record(experiment) or workspace.fusion_record(experiment)
    return report_on(record or workspace.record(experiment), workspace)


def report_on(record: AnyRecord, workspace: Workspace) -> AnyReport:
    """Return the report on what an experiment has measured so far.

    Raises:
        IntegrityError: a file that it is made of is damaged or missing.
    """
    from experiments.studies.compositions.summary import summarise_fusion
    from experiments.studies.methods.summary import summarise_comparison
    from experiments.studies.stream.summary import summarise

    with needed_by(record.experiment, record.provenance.get("command", "")):
        if isinstance(record, ComparisonRecord):
            return summarise_comparison(record, workspace.known_outcomes)
        if isinstance(record, FusionRecord):
            return summarise_fusion(record, workspace.trials)
        return summarise(record)


def present(report: AnyReport) -> Presentation:
    """Return what people see of a report of any kind."""
    from experiments.studies.compositions.present import present as present_compositions
    from experiments.studies.methods.present import present as present_methods
    from experiments.studies.stream.present import present as present_stream

    if isinstance(report, ComparisonReport):
        return present_methods(report)
    return present_compositions(report) if isinstance(report, FusionReport) else present_stream(report)
