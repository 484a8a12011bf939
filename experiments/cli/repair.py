"""Try repairs on the shared weights of a finished stream, and report what they bring back."""

from __future__ import annotations

from typing import Annotated

import typer

from adapter_workbench.experiments.terminal import completion
from adapter_workbench.experiments.terminal.options import Assignments, Folders, WorkspaceOption, listed
from adapter_workbench.experiments.terminal.output import Json, emit

app = typer.Typer(add_completion=False)


@app.command()
def repair(
    experiment: Annotated[
        str,
        typer.Argument(metavar="EXPERIMENT", help="Name of a finished stream.", autocompletion=completion.experiment),
    ],
    method: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…",
            help="Repairs, see `workbench repairs list`; all if left out.",
            autocompletion=completion.repairs,
        ),
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL",
            help="Repair this entry of the recipe; may be given several times. All with shared weights if left out.",
        ),
    ] = None,
    assignments: Assignments = None,
    workspace: WorkspaceOption = None,
    tasks: Folders = None,
    as_json: Json = False,
) -> None:
    """Bring back what the shared weights of EXPERIMENT, a finished stream, forgot; nothing that is stored changes.

    Each repair has attempts, and doing nothing is one of them. The validation splits of all tasks choose, by the mean
    score; the test splits are read once, for what was chosen. A setting of a repair stands below its name:
    --set refit-head.examples=64. It is an experiment called EXPERIMENT-repaired; a recipe with `repair: EXPERIMENT`
    is run by `workbench run`, with --jobs and --dry-run.
    """
    from adapter_workbench.experiments.api import Workbench
    from adapter_workbench.experiments.terminal.experiment import carry_out, print_report

    workbench = Workbench(workspace, tasks)
    plan = workbench.repair_plan(experiment, listed(method), strategy or [], assignments or [])
    report = carry_out(workbench, plan, jobs=1, cluster=None)
    if as_json:
        emit({**report.as_json(), "experiment": experiment})
    else:
        print_report(report, workbench, plan, workspace)
