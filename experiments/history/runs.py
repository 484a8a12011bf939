"""The runs of one experiment: the one that its name means, and those that a changed recipe replaced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.history.recipe_settings import differing_settings, settings_of
from adapter_workbench.experiments.studies import report_on, study_of
from adapter_workbench.workbench.errors import InputError, IntegrityError

if TYPE_CHECKING:
    from adapter_workbench.experiments.history.recipe_settings import SettingDifference
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace

MOST_TOLD = 3  # differences, in a line


@dataclass(frozen=True)
class Run:
    """One run of an experiment."""

    number: int  # 1 for the oldest that is kept
    name: str  # which a report takes; that of the newest run is the experiment's own
    description: str  # one line about it; where its record cannot be read, why
    started: str = ""  # when it was begun, as its record has it; empty where that cannot be read
    state: str = ""  # finished, or how much of it is there
    # the settings in which it differs from the newest run, ``first`` its own
    differs: tuple[SettingDifference, ...] = ()
    only_here: tuple[str, ...] = ()  # labels that the newest run does not have; ``only_now`` those that it has alone
    only_now: tuple[str, ...] = ()

    @property
    def otherwise(self) -> str:
        """In what it differs from the newest run, in a line."""
        parts = [f"{pair.setting} {value_in_words(pair.setting, pair.first)}" for pair in self.differs]
        parts += [f"with {label}" for label in self.only_here] + [f"without {label}" for label in self.only_now]
        more = f", and {len(parts) - MOST_TOLD} more" if len(parts) > MOST_TOLD else ""
        return f"{', '.join(parts[:MOST_TOLD])}{more}"

    def as_json(self) -> dict[str, Any]:
        """Return all of it; of each setting that differs, ``first`` is this run's and ``second`` the newest one's."""
        return {
            "run": self.number,
            "name": self.name,
            "description": self.description,
            "started": self.started,
            "state": self.state,
            "differs": [pair.as_json() for pair in self.differs],
            "only_here": list(self.only_here),
            "only_now": list(self.only_now),
        }


def runs_of(workspace: Workspace, experiment: str) -> list[Run]:
    """Return the runs of an experiment, the oldest first.

    Raises:
        UnknownNameError: no such experiment in this workspace.
        IntegrityError: the record of its newest run is damaged.
    """
    newest = workspace.records.require(experiment)
    names = enumerate(workspace.records.runs(experiment), start=1)
    return [_run(number, name, newest, workspace) for number, name in names]


def name_of_run(workspace: Workspace, experiment: str, number: int, where: str = "--run") -> str:
    """Return the name under which a run of an experiment is kept.

    Raises:
        UnknownNameError: no such experiment in this workspace.
        InputError: it has no run of this number.
    """
    names = workspace.records.runs(experiment)
    if number < 1 or number > len(names) or experiment not in workspace.records.names():
        workspace.records.require(experiment)
        hint = f"`workbench report {experiment} --runs` lists them: 1 to {len(names)}."
        raise InputError(f"there is no run {number} of {experiment!r}", where=where, hint=hint)
    return names[number - 1]


def other_run(workspace: Workspace, experiment: str, given: str) -> str:
    """Return the name that a person means by what is held against an experiment: another's name, or a run's number.

    Raises:
        UnknownNameError: no such experiment in this workspace.
        InputError: the experiment has no run of this number.
    """
    if given.isdecimal() and given not in workspace.records.names():
        return name_of_run(workspace, experiment, int(given), "--against")
    workspace.records.require(given)
    return given


def value_in_words(setting: str, value: Any) -> str:
    """Return a setting's value as people read it; of a digest, its beginning."""
    if value is None:
        return "–"
    if setting.startswith("data."):
        return f"{str(value)[:12]}…"
    if isinstance(value, list):
        return ", ".join(value_in_words("", item) for item in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {value_in_words('', item)}" for name, item in value.items())
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _run(number: int, name: str, newest: RecordDocument, workspace: Workspace) -> Run:
    try:
        record = workspace.records.require(name)
        description = study_of(record.study, str(workspace.experiment(name))).describe(record)
        ours, theirs = settings_of(record).entries, settings_of(newest).entries
        return Run(
            number,
            name,
            description,
            record.provenance.get("started", ""),
            _state(name, record, workspace),
            differing_settings(record, newest),
            tuple(label for label in ours if label not in theirs),
            tuple(label for label in theirs if label not in ours),
        )
    except IntegrityError as error:
        return Run(number, name, f"{error.where}: {error.what}", state="damaged")
    except InputError as error:
        return Run(number, name, error.what, state="of an earlier version")


def _state(name: str, record: RecordDocument, workspace: Workspace) -> str:
    if record.finished:
        return "finished"
    done, planned = report_on(name, record, workspace, brief=True).progress
    return f"{done} of {planned} results"
