"""Add a task: check its data, train, test, compare the scores with bounds, and register the adapter if all hold."""

from __future__ import annotations

import typer

from adapter_workbench.experiments.gating.adapter_bounds import AdapterBounds
from adapter_workbench.experiments.requests.lesson import LessonRequest
from adapter_workbench.experiments.terminal import completion, next_steps
from adapter_workbench.experiments.terminal.added import MaxLeakage, print_added
from adapter_workbench.experiments.terminal.asked import option, options_of
from adapter_workbench.experiments.terminal.bounds import NEWLY_TRAINED
from adapter_workbench.experiments.terminal.options import Assignments, Backbone, Folders, TaskName, WorkspaceOption
from adapter_workbench.experiments.terminal.output import Json

app = typer.Typer(add_completion=False)


@app.command()
@options_of(
    LessonRequest,
    before={"assignments": "workspace"},
    task=TaskName,
    method=option(autocompletion=completion.method),
    backbone=Backbone,
    assignments=Assignments,
)
@options_of(AdapterBounds, **NEWLY_TRAINED)
def add(
    request: LessonRequest,
    bounds: AdapterBounds,
    max_leakage: MaxLeakage = 1.0,
    workspace: WorkspaceOption = None,
    tasks: Folders = None,
    as_json: Json = False,
) -> None:
    """Train an adapter for TASK, check it, and let it answer under the task's name if all checks pass.

    First the data are checked: texts of validation and test must not be in an earlier split. Then the adapter is
    trained and tested, and held against the bounds and the champion: it may not lose on validation rows whose label
    both know, nor be lower on test rows (--accept-loss accepts it). Every other adapter is verified to be unchanged,
    and the new one is registered. If it learned the same version of the task as the champion and is not better, the new
    version does not answer, and the command says which adapter does. If a bound is broken, the exit code is 3 and
    nothing is registered. The same command again repeats nothing that is done. To undo it: `workbench adapters
    rollback`.
    """
    from adapter_workbench.experiments.api import Workbench
    from adapter_workbench.experiments.engine.work import Work
    from adapter_workbench.experiments.terminal.progress import progress

    workbench = Workbench(workspace, tasks)
    lesson = workbench.lesson_from(**request.given)
    with progress(request.task, Work(updates=workbench.updates(lesson))) as listener:
        workbench.listener = listener
        added = workbench.release.add(lesson, bounds, max_leakage)
    print_added(added, request.task, next_steps.options(workspace), added.as_json() if as_json else None)
