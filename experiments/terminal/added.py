"""What `add` and `update` print of a new adapter: its bounds, its scores, its version, and who answers now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from adapter_workbench.experiments.gating.gate import refusal
from adapter_workbench.experiments.reporting.wording import baseline
from adapter_workbench.experiments.terminal import next_steps
from adapter_workbench.experiments.terminal.bounds import print_gate
from adapter_workbench.experiments.terminal.candidate import print_candidate
from adapter_workbench.experiments.terminal.output import emit, stderr, stdout
from adapter_workbench.workbench.errors import GateError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from adapter_workbench.experiments.answers.made_adapters import Trained
    from adapter_workbench.experiments.gating.adding import AddedTask
    from adapter_workbench.experiments.gating.candidate.report import CandidateReport
    from adapter_workbench.experiments.gating.registry import Registration

MaxLeakage = Annotated[
    float,
    typer.Option(
        min=0, max=100, metavar="X", help="Percent of a split's rows whose text may be in an earlier split too."
    ),
]


def print_added(
    added: AddedTask,
    task: str,
    where: str,
    document: Mapping[str, object] | None,
    report: CandidateReport | None = None,
    html: Path | None = None,
) -> None:
    """Print what came of a new adapter.

    Args:
        added: the result.
        task: its name, as the person wrote it.
        where: the options that lead to the same workspace, for the commands that come next.
        document: is printed alone, as JSON, if given.
        report: the new adapter beside the champion, with all bounds; None where there was none.
        html: where its page was written.

    Raises:
        GateError: a bound is broken; what is broken is printed.
    """
    if document is not None:
        emit(document)
    elif report is not None:
        print_candidate(report, html)
    else:
        print_gate(added.gate)
    if added.trained is not None and not added.gate.passed:
        stderr.print(_kept(added, added.trained.adapter.id, task, where), markup=False)
    if not added.gate.passed and (stays := _stays(added)):
        raise GateError(f"{stays} stays champion: {refusal(added.gate.checks)}", where=task, hint=_accepting(added))
    added.gate.require()
    if document is not None or added.registered is None or added.trained is None:
        return
    measured = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in added.trained.test.scores.items())
    constant = baseline(added.trained.adapter.manifest.task.kind)
    stdout.print(f"\nOn test: {measured}; {constant} {added.trained.majority:.4f}.")
    registered = added.registered
    stdout.print(f"Registered as {registered.name} version {registered.version}; {registered.decision}.")
    if not added.answers:
        stdout.print(f"This version does not answer: {task!r} means {added.answering}.")
    next_steps.print_next(_next(added, added.trained, registered, task, where))


def _stays(added: AddedTask) -> str | None:
    """Return the id of the adapter that stays champion; None where there is none, or where that was not asked."""
    if added.champion_of and added.trained:
        return added.trained.adapter.id
    champion = added.beside.champion if added.beside else None
    return champion.adapter if champion else None


def _accepting(added: AddedTask) -> str | None:
    """Return how to accept what the adapter loses; None where other bounds are broken too, or it is champion."""
    from adapter_workbench.experiments.gating.takeover import ABOUT_CHAMPION, HOW_TO_ACCEPT

    broken = {check.what for check in added.gate.checks if not check.holds}
    return None if added.champion_of or broken - {*ABOUT_CHAMPION} else HOW_TO_ACCEPT


def _kept(added: AddedTask, adapter: str, task: str, where: str) -> str:
    """Return what becomes of an adapter that breaks a bound, and how to be rid of it."""
    if added.champion_of:
        champion = f"{adapter} is the champion of {added.champion_of} already"
        back = f"workbench adapters rollback {added.champion_of}{where}"
        return f"{champion}. To take it back: `{back}`" if added.has_before else f"{champion}, and none was before it."
    kept = f"{adapter} is kept, so that you can look at it. To delete it: `workbench adapters remove {adapter}{where}`"
    return f"{kept}\nUntil then {task!r} means this adapter: the task has no champion." if added.answers else kept


def _next(added: AddedTask, trained: Trained, registered: Registration, task: str, where: str) -> list[str]:
    """Return the commands that come next, only those that would succeed."""
    pair, own = trained.adapter.manifest.task.pair, trained.adapter.id
    if not added.answers:
        promotion = (
            []
            if registered.champion
            else [f"workbench adapters promote {registered.name} --to {registered.version}{where}"]
        )
        return [next_steps.predicting(own, pair, where), *promotion]
    back = [f"workbench adapters rollback {registered.name}{where}"] if registered.has_before else []
    return [next_steps.predicting(task, pair, where), f"workbench serve {task}{where}", *back]
