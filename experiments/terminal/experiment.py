"""An experiment from the command line: what a plan would do, doing it with progress on stderr, and its report."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.estimates import Estimator
from adapter_workbench.experiments.engine.run import pending
from adapter_workbench.experiments.reporting.terminal import show
from adapter_workbench.experiments.studies import present
from adapter_workbench.experiments.terminal import preview
from adapter_workbench.experiments.terminal.next_steps import options
from adapter_workbench.experiments.terminal.output import page_of, stderr, stdout
from adapter_workbench.experiments.terminal.planned_workers import PlannedWorkers
from adapter_workbench.experiments.terminal.progress import progress
from adapter_workbench.workbench.errors.printable import without_credentials

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.experiments.api import Workbench
    from adapter_workbench.experiments.engine.study import Plan, Report


def command_given() -> str:
    """Return the command that this process was called with, as it may be stored: no password of an address is in it."""
    return shlex.join(["workbench", *map(without_credentials, sys.argv[1:])])


def dry_run(workbench: Workbench, plan: Plan, as_json: bool, jobs: int, cluster: str | None, measure: bool) -> None:
    """Print what :func:`carry_out` would do, and on which machines; ``measure`` times steps of what was never done."""
    workers = PlannedWorkers(jobs, () if cluster is None else workbench.machines(cluster))
    estimator = Estimator(workbench.workspace, measure, stderr.print)
    pieces = workbench.pieces(plan)
    preview.preview(plan, pieces, pending(pieces, workbench.workspace), estimator, as_json, workers)


def carry_out(workbench: Workbench, plan: Plan, jobs: int, cluster: str | None) -> Report:
    """Do what is left to do of a plan, and return its report."""
    return workbench.run(plan, command_given(), jobs, cluster, partial(progress, plan.name))


def print_report(report: Report, workbench: Workbench, plan: Plan, workspace: Path | None) -> None:
    """Print a report, where its page is, and how to see it again; ``workspace`` is the option as it was given."""
    show(present(report), stdout, page_of(workbench.workspace.experiment(plan.name)))
    where = options(workspace)
    stdout.print(f"\nMLflow: workbench ui{where}   then open experiment {plan.name!r}")
    stdout.print(f"Again:  workbench report {plan.name}{where}")
