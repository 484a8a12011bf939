"""Two experiments, or two runs of one: which settings differ, and by how much the scores that both have differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.history.recipe_settings import differing_settings, made_differently
from adapter_workbench.experiments.reporting.contrast import as_families, contrast
from adapter_workbench.experiments.studies import study_of
from adapter_workbench.experiments.workspace.damage import needed_by
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter_workbench.experiments.history.recipe_settings import SettingDifference
    from adapter_workbench.experiments.reporting.contrast import Contrast
    from adapter_workbench.experiments.reporting.scored import Scores
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace


@dataclass(frozen=True)
class ComparedExperiment:
    """One of the two."""

    name: str  # of its record
    called: str  # what tables call it: its name, or which run it is
    record: RecordDocument  # what it consists of
    only: tuple[str, ...]  # the labels that it has and the other one does not

    def as_json(self) -> dict[str, Any]:
        """Return what distinguishes it from the other one."""
        facts = {
            "experiment": self.name,
            "started": self.record.provenance.get("started"),
            "finished": self.record.finished,
        }
        return {**facts, "only_here": list(self.only)}


@dataclass(frozen=True)
class ExperimentDifference:
    """The first of two against the second."""

    first: ComparedExperiment
    second: ComparedExperiment
    # the settings of their recipes that differ, those of entries that both have among them
    settings: tuple[SettingDifference, ...]
    made: tuple[SettingDifference, ...]  # in what the circumstances of the runs differ
    contrasts: Mapping[str, Mapping[str, Contrast]]  # by label and metric, what both have

    def as_json(self) -> dict[str, Any]:
        """Return the document of ``report --against --json``."""
        return {
            "first": self.first.as_json(),
            "second": self.second.as_json(),
            "settings": [setting.as_json() for setting in self.settings],
            "made_differently": [setting.as_json() for setting in self.made],
            "differences": {
                label: {metric: comparison.as_json() for metric, comparison in metrics.items()}
                for label, metrics in self.contrasts.items()
            },
        }


def difference_of(workspace: Workspace, first: str, second: str) -> ExperimentDifference:
    """Return one experiment against another of its kind, by what the workspace holds; no model is needed.

    Raises:
        UnknownNameError: no such experiment.
        InputError: they are the same one, or of two kinds.
        IntegrityError: a file that their reports are made of is damaged or missing.
    """
    if first == second:
        hint = f"`workbench report {first} --runs` lists earlier runs of it."
        raise InputError(f"{first!r} cannot be compared with itself", where="--against", hint=hint)
    records = {name: workspace.records.require(name) for name in (first, second)}
    ours, theirs = records.values()
    if ours.study != theirs.study:
        message = f"{first!r} and {second!r} are experiments of two kinds ({ours.study} and {theirs.study})"
        raise InputError(message, where="--against", hint="Experiments of one kind have scores in common.")
    scores = {name: _scores(name, record, workspace) for name, record in records.items()}
    contrasts = {
        label: {name: contrast(ours_of, scores[second][label][name]) for name, ours_of in metrics.items()}
        for label, metrics in scores[first].items()
        if label in scores[second]
    }
    called = _names_beside(workspace, first, second)
    ours_alone, theirs_alone = (
        tuple(label for label in scores[name] if label not in scores[rival])
        for name, rival in ((first, second), (second, first))
    )
    return ExperimentDifference(
        ComparedExperiment(first, called[first], ours, ours_alone),
        ComparedExperiment(second, called[second], theirs, theirs_alone),
        differing_settings(ours, theirs),
        made_differently(ours, theirs),
        as_families(contrasts),
    )


def _scores(name: str, record: RecordDocument, workspace: Workspace) -> Scores:
    with needed_by(name, record.command):
        return study_of(record.study, str(workspace.experiment(name))).scored(name, record, workspace)


def _names_beside(workspace: Workspace, first: str, second: str) -> dict[str, str]:
    """Return what two experiments are called beside each other: two runs of one have numbers."""
    runs = workspace.records.runs(workspace.records.experiment_of(first))
    numbered = second in runs
    return {name: f"run {runs.index(name) + 1}" if numbered else name for name in (first, second)}
