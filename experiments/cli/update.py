"""Update a task's adapter to the newest version of the task, and let it answer if it is good enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from adapter_workbench.experiments.gating.adapter_bounds import AdapterBounds
from adapter_workbench.experiments.gating.candidate.bounds import CandidateBounds
from adapter_workbench.experiments.requests.update import UpdateRequest
from adapter_workbench.experiments.terminal import completion, next_steps
from adapter_workbench.experiments.terminal.added import MaxLeakage, print_added
from adapter_workbench.experiments.terminal.asked import option, options_of
from adapter_workbench.experiments.terminal.bounds import CANDIDATE, NEWLY_TRAINED
from adapter_workbench.experiments.terminal.candidate import Html, require_page, write_page
from adapter_workbench.experiments.terminal.options import (
    Assignments,
    DryRun,
    Folders,
    Overwrite,
    TaskName,
    WorkspaceOption,
)
from adapter_workbench.experiments.terminal.output import Json, emit, stdout

if TYPE_CHECKING:
    from adapter_workbench.experiments.updates.plan import UpdatePlan

app = typer.Typer(add_completion=False)


@app.command()
@options_of(
    UpdateRequest,
    before={"assignments": "dry_run"},
    task=TaskName,
    how=option(metavar="WAY", show_default="anew; with --forget-rows: continue", autocompletion=completion.way),
    seed=option(show_default="the champion's"),
    assignments=Assignments,
    forget_rows=option("--forget-rows"),
)
@options_of(AdapterBounds, **NEWLY_TRAINED)
@options_of(CandidateBounds, **CANDIDATE)
def update(
    request: UpdateRequest,
    bounds: AdapterBounds,
    max_leakage: MaxLeakage = 1.0,
    *,
    beside: CandidateBounds,
    html: Html = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    workspace: WorkspaceOption = None,
    tasks: Folders = None,
    as_json: Json = False,
) -> None:
    """Make the adapter of TASK's newest version, with the champion of an earlier version at hand.

    Method, backbone, settings and budget are the champion's; --set changes them, and settings of the way have a prefix
    (--set way.memory=200). Every way takes as many steps. The new adapter is checked, tested, compared with the
    champion, and registered as `workbench add` does it. The report says what it lost and won against the champion on
    old and new test rows and label by label, with the answers that changed. If it loses on validation rows whose label
    both know, or the report calls anything lower, or a bound is broken, the exit code is 3 and the champion stays
    (--accept-loss accepts what is lost). The same command again repeats nothing that is done. To undo it:
    `workbench adapters rollback`. For the report on adapters that exist: `workbench adapters compare`.
    """
    from adapter_workbench.experiments.api import Workbench
    from adapter_workbench.experiments.engine.work import Work
    from adapter_workbench.experiments.terminal.progress import Messages, progress

    require_page(html, overwrite)
    workbench = Workbench(workspace, tasks, Messages())
    plan = workbench.update_plan(**request.given)
    if not as_json:
        _print_plan(plan)
    if dry_run:
        emit(plan.as_json()) if as_json else stdout.print("Nothing was trained (--dry-run).")
        return
    with progress(request.task, Work(updates=workbench.updates(plan.lesson))) as listener:
        workbench.listener = listener
        updated = workbench.update(plan, bounds, max_leakage, beside)
    if html is not None and updated.report is not None:
        write_page(updated.report, html, overwrite)
    document = updated.as_json() if as_json else None
    print_added(updated.added, request.task, next_steps.options(workspace), document, updated.report, html)


def _print_plan(plan: UpdatePlan) -> None:
    lesson = plan.lesson
    name, count = lesson.task.name, len(lesson.new_rows)
    versions = f"{name}@{plan.older} → {name}@{plan.newer}"
    stdout.print(f"{versions}: {count} new training rows, with --how {lesson.way}.", markup=False)
