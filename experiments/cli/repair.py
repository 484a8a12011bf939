"""Try repairs on the shared weights of a finished stream, and report what they bring back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from experiments.reporting.wording import bounds, number, share
from experiments.terminal import completion
from experiments.terminal.options import Assignments, Folders, WorkspaceOption, listed
from experiments.terminal.output import Json, emit, stdout, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from experiments.repairing.report import EntryReport

SHOWN = 10  # tasks

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
    --set refit-head.examples=64.
    """
    from experiments.api import Workbench
    from experiments.terminal.progress import Messages

    workbench = Workbench(workspace, tasks, Messages())
    report = workbench.repair(experiment, listed(method), strategy or [], assignments or [])
    if as_json:
        emit(report.as_json())
        return
    for entry in report.entries:
        _print(entry)


def _print(entry: EntryReport) -> None:
    own = entry.streams[0].entry
    title = f"repairs of {entry.label} ({own.strategy}, {own.method}), test splits, in percent"
    columns = ["repair", "average", "earlier tasks", "last task", "retention", "gain", "reading", "chosen"]
    table(columns, _rows(entry), title)
    for name, why in entry.refused.items():
        stdout.print(f"{name}: not possible, {why}")
    stdout.print(entry.verdict)
    if moved := [*entry.moved.items()]:
        rows = [[task, number(was), number(now), number(now - was, signed=True)] for task, (was, now) in moved[:SHOWN]]
        of_all = f", {SHOWN} of {len(moved)}" if len(moved) > SHOWN else ""
        table(["task", "before", "after", "difference"], rows, f"what {entry.best} changes most{of_all}")
    stdout.print()


def _rows(entry: EntryReport) -> Iterator[list[str | None]]:
    for name, metrics in entry.metrics.items():
        average, earlier, last, kept = (metric.mean for metric in metrics.values())
        row = [name, number(average), number(earlier), number(last), share(kept)]
        if name not in entry.gains:
            yield [*row, None, None, None]
            continue
        gain = entry.gains[name]
        chosen = "; ".join(dict.fromkeys(_words(repaired.chosen) for repaired in entry.repaired[name]))
        yield [*row, f"{number(gain.shown.mean, signed=True)} {bounds(gain.shown)}".rstrip(), gain.reading, chosen]


def _words(chosen: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in chosen.items()) or "nothing"
