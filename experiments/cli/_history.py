"""`workbench report --runs`, `--run` and `--against`: the runs of an experiment, and how two experiments differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.terminal.next_steps import options, print_next
from adapter_workbench.experiments.terminal.output import emit, table

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.experiments.reporting.presentation import Presentation
    from adapter_workbench.experiments.workspace import Workspace


def presentation_of(chosen_workspace: Workspace, experiment: str, run: int | None, against: str | None) -> Presentation:
    """Return the presentation of an experiment, of one of its runs, or of its difference from another one.

    Args:
        chosen_workspace: that is read.
        experiment: its name.
        run: the number of one of its runs; the newest if None.
        against: another experiment, or the number of another run.

    Raises:
        UnknownNameError: no such experiment.
        InputError: no such run, or two that cannot be held against each other.
        IntegrityError: a file that is needed is damaged or missing.
    """
    from adapter_workbench.experiments.history.runs import name_of_run, other_run
    from adapter_workbench.experiments.studies import present_of

    name = experiment if run is None else name_of_run(chosen_workspace, experiment, run)
    if against is None:
        return present_of(chosen_workspace, name)
    from adapter_workbench.experiments.history.experiment_difference import difference_of
    from adapter_workbench.experiments.history.present_difference import present

    chosen_workspace.records.require(name)
    return present(difference_of(chosen_workspace, name, other_run(chosen_workspace, experiment, against)))


def print_runs(chosen_workspace: Workspace, experiment: str, workspace: Path | None, as_json: bool) -> None:
    """Print the runs of an experiment, the oldest first; ``workspace`` is the option as it was given."""
    from adapter_workbench.experiments.history.runs import runs_of

    runs = runs_of(chosen_workspace, experiment)
    if as_json:
        emit([run.as_json() for run in runs])
        return
    rows = [[run.number, run.started or None, run.state, run.otherwise or None] for run in runs]
    table(["run", "begun", "state", f"differs from run {len(runs)} in"], rows, experiment)
    if len(runs) > 1:
        option_text = options(workspace)
        print_next([f"workbench report {experiment} {option}{option_text}" for option in ("--run 1", "--against 1")])
