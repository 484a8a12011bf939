"""Try repairs on the shared weights of a finished stream, and report what they bring back."""

from __future__ import annotations

import typer

from adapter_workbench.experiments.requests.repair import RepairRequest
from adapter_workbench.experiments.terminal import completion
from adapter_workbench.experiments.terminal.asked import argument, option, options_of
from adapter_workbench.experiments.terminal.options import Assignments, Folders, WorkspaceOption, listed
from adapter_workbench.experiments.terminal.output import Json, emit

app = typer.Typer(add_completion=False)


@app.command()
@options_of(
    RepairRequest,
    experiment=argument("EXPERIMENT", autocompletion=completion.experiment),
    repairs=option("--method", called="method", metavar="NAME,…", read=listed, autocompletion=completion.repairs),
    strategies=option("--strategy", called="strategy", metavar="LABEL"),
    assignments=Assignments,
)
def repair(
    request: RepairRequest,
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
    plan = workbench.repair_plan(**request.given)
    report = carry_out(workbench, plan, jobs=1, cluster=None)
    if as_json:
        emit({**report.as_json(), "experiment": request.experiment})
    else:
        print_report(report, workbench, plan, workspace)
