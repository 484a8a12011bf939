"""What the measurements share as programs: their options, the command that made a file, and the file."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from adapter_workbench.experiments.engine.provenance import provenance
from adapter_workbench.workbench.files.atomic import write_whole

Recipe = Annotated[str, typer.Argument(help="Name or path of a recipe.")]
Out = Annotated[Path, typer.Option(help="JSON file for the results.")]
KeptOut = Annotated[Path, typer.Option(help="JSON file for the results; what is finished in it is kept.")]
Workspace = Annotated[Path | None, typer.Option(help="The workspace [default: as for every command].")]
Tasks = Annotated[str, typer.Option(help="Tasks, with commas; not only those of the recipe.")]
Methods = Annotated[str, typer.Option(help="Methods, with commas.")]
Seeds = Annotated[str, typer.Option(help="Seeds, with commas; not the recipe's.")]
ITSELF = (sys.executable, "-m")  # begins a module of this folder, which lies in the current folder and is not installed
PLACES = ("out", "workspace")  # options that change no number
STARTED = {"started": datetime.now(UTC).isoformat(timespec="seconds")}  # of the program, which imports this first


def command(context: typer.Context) -> str:
    """Return the command of the program that is running, with the settings that it took, given or not."""
    settings = [_words(parameter, context.params.get(str(parameter.name))) for parameter in context.command.params]
    return f"{context.command_path} {shlex.join(word for words in settings for word in words)}"


def _words(parameter: Any, value: Any) -> list[str]:
    """Return what gives a parameter its value on a command line."""
    if value is None or parameter.name in PLACES:
        return []
    values = value if isinstance(value, list) else [value]
    if parameter.param_type_name == "argument":
        return [str(setting) for setting in values]
    if isinstance(value, bool):
        return [parameter.opts[0] if value else parameter.secondary_opts[0]]
    return [word for setting in values for word in (parameter.opts[0], str(setting))]


def processor() -> str:
    """Return the processor's name, as Linux knows it."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def known(out: Path, part: str, empty: Any) -> Any:
    """Return a part of the results that are in a file already; ``empty`` where there is no file."""
    return json.loads(out.read_text(encoding="utf-8"))[part] if out.is_file() else empty


def write(context: typer.Context, out: Path, circumstances: Mapping[str, str] | None = None, **results: Any) -> None:
    """Write results to a file, with the ``circumstances`` under which they were made beside those of every program."""
    document = {"provenance": {**provenance(command(context)), **STARTED, **(circumstances or {})}, **results}
    write_whole(out, json.dumps(document, indent=1, ensure_ascii=False))


def show(results: Any) -> None:
    """Print results."""
    typer.echo(json.dumps(results, indent=1, ensure_ascii=False))
