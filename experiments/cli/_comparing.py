"""The command `workbench adapters compare`: a candidate beside the champion, on old rows and new ones."""

from __future__ import annotations

from typing import Annotated

import typer

from adapter_workbench.experiments.gating.candidate.bounds import CandidateBounds
from adapter_workbench.experiments.terminal import completion
from adapter_workbench.experiments.terminal.asked import options_of
from adapter_workbench.experiments.terminal.bounds import CANDIDATE
from adapter_workbench.experiments.terminal.candidate import Html
from adapter_workbench.experiments.terminal.options import Folders, Overwrite, WorkspaceOption
from adapter_workbench.experiments.terminal.output import Json, emit
from adapter_workbench.experiments.terminal.progress import Messages
from adapter_workbench.workbench.errors import GateError


@options_of(CandidateBounds, **CANDIDATE)
def compare(
    champion: Annotated[
        str,
        typer.Argument(
            metavar="CHAMPION",
            help="The adapter that answers now, or any other; the name of a task means its champion.",
            autocompletion=completion.adapter,
        ),
    ],
    candidate: Annotated[
        str,
        typer.Argument(
            metavar="CANDIDATE",
            help="An adapter of the same version of the task, or of a later one.",
            autocompletion=completion.adapter,
        ),
    ],
    bounds: CandidateBounds,
    html: Html = None,
    overwrite: Overwrite = False,
    log: Annotated[bool, typer.Option("--log", help="Log the report to MLflow, as a run of its own.")] = False,
    workspace: WorkspaceOption = None,
    tasks: Folders = None,
    as_json: Json = False,
) -> None:
    """Compare two adapters of one task: what CANDIDATE lost and won against CHAMPION; nothing is trained.

    Both answer the test rows of the candidate's version of the task. Old rows, which the champion's version has too,
    and new rows are compared apart, and so is each label. Labels that were renamed or merged since are read as what
    they are now; rows of a label that the champion does not know have no score of it. The report names the examples
    that were right and are wrong now. Bounds are held against validation rows; if one is broken, the exit code is 3.
    """
    from adapter_workbench.experiments.api import Workbench
    from adapter_workbench.experiments.gating.candidate.publishing import log as log_report
    from adapter_workbench.experiments.terminal.candidate import print_candidate, require_page, write_page

    require_page(html, overwrite)
    workbench = Workbench(workspace, tasks, Messages())
    report = workbench.release.compare(champion, candidate, bounds)
    if log:
        log_report(report, workbench.workspace, workbench.listener)
    if html is not None:
        write_page(report, html, overwrite)
    if as_json:
        emit(report.as_json())
    else:
        print_candidate(report, html)
    if report.refusal:
        raise GateError(report.refusal, where=report.candidate)
