"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from adapter_workbench.experiments.requests import fields
from adapter_workbench.experiments.requests.request import meaning
from adapter_workbench.experiments.terminal import completion
from adapter_workbench.tasks.reading.text_files import path_of
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.extras import require_extra


def listed(names: str | None) -> list[str]:
    """Return the names that an option gives with commas."""
    return [name.strip() for name in (names or "").split(",") if name.strip()]


def path_option(metavar: str, text: str) -> Any:
    """Return an option that is a path, in which ``~`` is the home folder; ``text`` is its help."""
    return typer.Option(metavar=metavar, parser=path_of, help=text)


def out_option(text: str, *endings: str) -> Any:
    """Return the option ``--out FILE`` of a command; ``text`` says what it writes, ``endings`` in which formats.

    Whoever takes it checks the path with :func:`adapter_workbench.experiments.terminal.output.require_out`.
    """
    return path_option("FILE", f"{text}, by the file's ending: {', '.join(endings)}.")


Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        metavar="DIR",
        help="Folder in which everything is kept.",
        show_default="$WORKBENCH_HOME, else ./.workbench",
    ),
]
FOLDERS = "$WORKBENCH_TASKS, else ./tasks"
Folders = Annotated[
    list[Path] | None,
    typer.Option("--tasks", metavar="DIR", help="Folder of your own task files.", show_default=FOLDERS),
]
ADAPTER = meaning(fields.Adapter)
Adapter = Annotated[str, typer.Argument(metavar="ID", help=ADAPTER, autocompletion=completion.adapter)]
TaskName = Annotated[
    str,
    typer.Argument(metavar="TASK", help=meaning(fields.Task), autocompletion=completion.task),
]
Backbone = Annotated[str, typer.Option(help=meaning(fields.Backbone), autocompletion=completion.backbone)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop; nothing is trained.")]
Measure = Annotated[
    bool,
    typer.Option(
        "--measure", help="With --dry-run: time ten training steps of work that the workspace has no times of."
    ),
]


def require_dry_run(measure: bool, dry_run: bool) -> None:
    """Make sure that ``--measure`` is given only with ``--dry-run``.

    Raises:
        InputError: it does not.
    """
    if measure and not dry_run:
        raise InputError("--measure needs --dry-run", hint="Add --dry-run.")


def _possible(jobs: int) -> int:
    if jobs > 1:
        require_extra("cluster", "--jobs")
    return jobs


Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        min=1,
        max=256,
        callback=_possible,
        help="Processes that work side by side, each with its own model and its share of the cores; started by Ray.",
    ),
]


def _joinable(address: str | None) -> str | None:
    if address is None:
        return None
    require_extra("cluster", "--cluster")
    if "://" in address:
        hint = "Run the command on a machine of the cluster, with `--cluster auto`."
        raise InputError(f"{address!r} is not HOST:PORT", where="--cluster", hint=hint)
    return address


Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS",
        callback=_joinable,
        help="Work on this machine's Ray cluster, `auto` or HOST:PORT, with --jobs processes on each of its machines.",
    ),
]
MinRoutingScore = Annotated[
    float | None,
    typer.Option(
        metavar="SCORE",
        help="With a router: a text whose best score is lower is of none of these tasks, and gets no answer.",
    ),
]
MaxFalseRejections = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="With a router: the same, with a lowest score for each task that rejects at most this share of its "
        "validation texts, such as 0.05.",
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help=meaning(fields.Assignments)),
]
