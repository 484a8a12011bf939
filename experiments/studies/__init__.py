"""The kinds of experiment there are, a folder each, found by name; from an experiment of any of them to its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.engine.study import Study
from adapter_workbench.experiments.workspace.damage import needed_by
from adapter_workbench.workbench.errors import IntegrityError
from adapter_workbench.workbench.settings.registry import Modules

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from adapter_workbench.experiments.engine.study import Report
    from adapter_workbench.experiments.reporting.presentation import Presentation
    from adapter_workbench.experiments.studies.core.checklist import Checked
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace

STUDIES: Modules[Study] = Modules("study", __name__, "STUDY", Study, besides=["core", "watched"])


def _watched() -> Study:
    """Return the study whose records the trainer of another program writes: no recipe is of it."""
    from adapter_workbench.experiments.studies.watched import STUDY

    return STUDY


def study_of(key: str, where: str) -> Study:
    """Return the study that made a record with this key; raises IntegrityError where this version has none."""
    for study in [*map(STUDIES.get, STUDIES.names()), _watched()]:
        if study.key == key:
            return study
    raise IntegrityError(f"this version has no study with the recipe key {key!r}", where=where)


def study_for(keys: Container[str]) -> Study:
    """Return the study whose key is among the keys of a recipe; the stream study where none is."""
    studies = [STUDIES.get(name) for name in STUDIES.names()]
    return next((study for study in studies if study.key in keys), STUDIES.get("stream"))


def checked(document: Mapping[str, Any]) -> Checked | None:
    """Return what is checked of the JSON document of a report, of this version or an earlier one.

    None where it is no report of a study that has a checklist.
    """
    from adapter_workbench.experiments.studies.core.checklist import Checked, checklist

    studies = map(STUDIES.get, STUDIES.names()) if {"experiment", "reference"} <= {*document} else ()
    for study in studies:
        if facts := study.facts(document):
            return Checked(facts, checklist(document, facts))
    return None


def present_of(workspace: Workspace, experiment: str) -> Presentation:
    """Return what people see of an experiment as far as it has come; no model is needed.

    Raises:
        UnknownNameError: no such experiment in this workspace.
        IntegrityError: a file that the report is made of is damaged or missing.
    """
    return present(report_of(workspace, experiment))


def report_of(workspace: Workspace, experiment: str) -> Report:
    """Return the report on an experiment of any kind; raises as :func:`present_of`."""
    return report_on(experiment, workspace.records.require(experiment), workspace)


def report_on(experiment: str, record: RecordDocument, workspace: Workspace, brief: bool = False) -> Report:
    """Return the report on the results of a record's pieces so far.

    ``brief``: without what compares one row with another.

    Raises:
        IntegrityError: a file that it is made of is damaged or missing.
    """
    with needed_by(experiment, record.command):
        study = study_of(record.study, str(workspace.experiment(experiment)))
        return study.report(experiment, record, workspace, brief)


def present_change(
    experiment: str, record: RecordDocument, coordinates: Mapping[str, Any], workspace: Workspace
) -> Presentation | None:
    """Return what people see of the part of an experiment that the piece with these coordinates changed.

    For a view that grows: only that part is read, and nothing is compared. None where the study shows nothing before
    the end.
    """
    study = study_of(record.study, str(workspace.experiment(experiment)))
    part = study.changed(record, coordinates)
    if part is None:
        return None
    return study.present(study.report(experiment, part, workspace, brief=True))


def present(report: Report) -> Presentation:
    """Return what people see of the report of a study."""
    study = _watched() if report.study == "watched" else STUDIES.get(report.study)
    return study.present(report)
