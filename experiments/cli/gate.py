"""Check bounds on an adapter or an experiment; the exit code is 3 if one is broken."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from adapter_workbench.experiments.gating.adapter_bounds import AdapterBounds
from adapter_workbench.experiments.terminal import completion
from adapter_workbench.experiments.terminal.asked import option, options_of
from adapter_workbench.experiments.terminal.bounds import (
    MINIMA,
    Margin,
    NotBelowChampion,
    below_champion,
    print_gate,
)
from adapter_workbench.experiments.terminal.options import Folders, WorkspaceOption
from adapter_workbench.experiments.terminal.output import Json, emit
from adapter_workbench.workbench.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.experiments.api import Workbench
    from adapter_workbench.experiments.gating.gate import Gate
    from adapter_workbench.experiments.gating.stream_bounds import StreamBounds

app = typer.Typer(add_completion=False)

OF_ADAPTERS = "--min-score, --min-macro-f1, --min-worst-label, --not-below-champion, --min-agreement, --max-ece"
OF_STREAMS = "--max-forgetting, --max-forgetting-of, --min-average"


@app.command()
@options_of(
    AdapterBounds,
    only=[*MINIMA, "min_agreement", "against", "max_ece"],
    before=dict.fromkeys(MINIMA, "not_below_champion"),
    **MINIMA,
    min_agreement=option(metavar="X"),
    against=option(metavar="ID", autocompletion=completion.adapter),
    max_ece=option(metavar="X"),
)
def gate(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="An adapter or a task; or an experiment.", autocompletion=completion.gated),
    ],
    *,
    not_below_champion: NotBelowChampion = False,
    margin: Margin = None,
    bounds: AdapterBounds,
    max_forgetting: Annotated[
        float | None,
        typer.Option(metavar="X", help="Experiment: the most forgetting, in points, as `workbench report` has it."),
    ] = None,
    max_forgetting_of: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK=X", help="Experiment: the most forgetting of one task, in points; may be given several times."
        ),
    ] = None,
    min_average: Annotated[
        float | None,
        typer.Option(metavar="X", help="Experiment: the least average score after the last task, in percent."),
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL",
            help="Experiment: check only this entry of the recipe; may be given several times. Joint training cannot "
            "forget: if left out, only its average is checked.",
        ),
    ] = None,
    whole_interval: Annotated[
        bool,
        typer.Option(
            "--whole-interval",
            help="Experiment: the whole 95 % interval over seeds has to hold, not only the mean. One seed has no "
            "interval, so the bound is broken.",
        ),
    ] = False,
    workspace: WorkspaceOption = None,
    tasks: Folders = None,
    as_json: Json = False,
) -> None:
    """Check bounds on an adapter or an experiment: exit code 0 if all hold, 3 if one is broken.

    All bounds are in percent or points, as reports show them: 90, not 0.9. The bounds decide whether NAME is an adapter
    or an experiment. Bounds on an adapter use validation scores; all but --min-score and --not-below-champion need the
    task's validation examples. Here the name of a task means its best adapter on validation, as for `workbench adapters
    register`. Bounds on an experiment, a finished stream, use the test scores of its report: the mean over seeds, or
    with --whole-interval the worse end of the interval.
    """
    from adapter_workbench.experiments.api import Workbench
    from adapter_workbench.experiments.gating.stream_bounds import StreamBounds
    from adapter_workbench.experiments.terminal.progress import Messages

    adapter = replace(bounds, below_champion=below_champion(not_below_champion, margin))
    single = _of_tasks(max_forgetting_of or [])
    stream = StreamBounds(max_forgetting, single, min_average, tuple(strategy or ()), whole_interval)
    _require_one_kind(adapter.asked, stream)
    workbench = Workbench(workspace, tasks, Messages())
    result = _gate_adapter(workbench, name, adapter) if adapter.asked else _gate_experiment(workbench, name, stream)
    if as_json:
        emit(result.as_json())
    else:
        print_gate(result)
    result.require()


def _require_one_kind(adapter: bool, stream: StreamBounds) -> None:
    """Raise InputError where no bound is given, or bounds of both kinds."""
    hint = f"Of an adapter: {OF_ADAPTERS}. Of an experiment: {OF_STREAMS}."
    if adapter and (stream.asked or stream.strategies or stream.whole_interval):
        raise InputError("bounds of an adapter and of an experiment at once", hint=f"Check one at a time. {hint}")
    if not adapter and not stream.asked:
        raise InputError("there is no bound to check", hint=f"Give at least one. {hint}")


def _gate_adapter(workbench: Workbench, name: str, bounds: AdapterBounds) -> Gate:
    try:
        return workbench.release.gate_adapter(name, bounds)
    except InputError:
        if name not in workbench.workspace.records.names():
            raise
        message = f"{name!r} is an experiment, and these are bounds of an adapter"
        raise InputError(message, hint=f"Of an experiment: {OF_STREAMS}.") from None


def _gate_experiment(workbench: Workbench, name: str, bounds: StreamBounds) -> Gate:
    from adapter_workbench.workbench.adapters.name_resolution import readable

    try:
        return workbench.release.gate_experiment(name, bounds)
    except UnknownNameError:
        manifests = readable(workbench.workspace.adapters)
        if name not in {called for manifest in manifests for called in (manifest.id, manifest.task.name)}:
            raise
        message = f"{name!r} is an adapter or its task, and these are bounds of an experiment"
        raise InputError(message, hint=f"Of an adapter: {OF_ADAPTERS}.") from None


def _of_tasks(given: Sequence[str]) -> dict[str, float]:
    """Return the bounds by task; raises InputError where one is not TASK=X, or a task has two."""
    bounds: dict[str, float] = {}
    for task, bound in map(_of_task, given):
        if task in bounds:
            raise InputError(f"{task!r} has two bounds", where="--max-forgetting-of", hint="Leave one out.")
        bounds[task] = bound
    return bounds


def _of_task(given: str) -> tuple[str, float]:
    task, _, bound = given.rpartition("=")
    try:
        if task:
            return task, float(bound)
    except ValueError:
        pass
    hint = "For example: --max-forgetting-of bbc-news=2"
    raise InputError(f"{given!r} is not TASK=X, a task and points", where="--max-forgetting-of", hint=hint)
