"""Print, write or log the report on an experiment; this needs no model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from adapter_workbench.experiments.cli._history import presentation_of, print_runs
from adapter_workbench.experiments.terminal import completion
from adapter_workbench.experiments.terminal.options import Overwrite, WorkspaceOption, listed, out_option, path_option
from adapter_workbench.experiments.terminal.output import (
    DOCUMENT,
    REPORTS,
    Json,
    emit,
    listing,
    page_of,
    report_content,
    require_out,
    stderr,
    stdout,
)
from adapter_workbench.workbench.errors import InputError, IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from adapter_workbench.experiments.reporting.presentation import Presentation
    from adapter_workbench.experiments.workspace import Workspace

app = typer.Typer(add_completion=False)


@app.command()
def report(
    experiment: Annotated[
        str | None,
        typer.Argument(
            metavar="EXPERIMENT",
            help="Name of an experiment; all are listed if left out.",
            autocompletion=completion.experiment,
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="In JSON: also the values of every seed.")] = False,
    html: Annotated[
        Path | None,
        path_option("FILE", "Write the report as one self-contained page."),
    ] = None,
    latex: Annotated[
        Path | None,
        path_option("FILE", "Write its tables in LaTeX, with the rules of booktabs."),
    ] = None,
    csv: Annotated[
        Path | None,
        path_option("DIR", "Write its tables as CSV, one file each, numbers not rounded."),
    ] = None,
    out: Annotated[Path | None, out_option("Write the report", *REPORTS)] = None,
    figures: Annotated[
        Path | None,
        path_option("DIR", "Write its figures, one file each."),
    ] = None,
    form: Annotated[
        Literal["png", "svg", "pdf"] | None,
        typer.Option("--format", help="With --figures: which format; pdf if left out."),
    ] = None,
    overwrite: Overwrite = False,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…",
            help="Show only these columns, in every table that has them; also in LaTeX and CSV. A wrong name lists all "
            "names.",
        ),
    ] = None,
    runs: Annotated[
        bool, typer.Option("--runs", help="List the runs of EXPERIMENT, also those that a changed recipe replaced.")
    ] = False,
    run: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Report on an earlier run, by its number in --runs."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="OTHER",
            help="Compare with another experiment, or with another run by its number: the settings that differ, and "
            "the scores of what both have, paired by seed.",
            autocompletion=completion.experiment,
        ),
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="Log to MLflow what it does not have yet.")] = False,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
) -> None:
    """Report on EXPERIMENT, finished or not, from what the workspace holds."""
    from adapter_workbench.experiments.reporting.chosen_columns import with_columns
    from adapter_workbench.experiments.workspace import find_workspace
    from adapter_workbench.workbench.files.atomic import require_new, write_whole

    chosen_workspace = find_workspace(workspace)
    written_to: dict[str, object] = {"html": html, "latex": latex, "csv": csv, "out": out, "figures": figures}
    written_to |= {"format": form, "log": log, "overwrite": overwrite}
    shown = {"run": run, "against": against, "columns": columns, "full": full}
    if experiment is None:
        hint = "workbench report EXPERIMENT …; `workbench report` lists them."
        _require_none({"runs": runs, **shown, **written_to}, "no experiment is named", hint)
        names = chosen_workspace.records.names()
        listing([{"name": name, "description": _description(chosen_workspace, name)} for name in names], as_json)
        return
    if runs:
        _require_none({**shown, **written_to}, "--runs only lists the runs of an experiment", "Leave one out.")
        print_runs(chosen_workspace, experiment, workspace, as_json)
        return
    ending = None if out is None else require_out(out, REPORTS, overwrite, "--csv and --figures write folders.")
    has_all, has_seeds = as_json or html or ending in (".html", ".json"), as_json or ending == DOCUMENT
    _require_together(form and not figures, columns and has_all, against and log, full and not has_seeds)
    _require_targets([path for path in (html, latex, csv, out, figures) if path], overwrite)
    presentation = presentation_of(chosen_workspace, experiment, run, against)
    tables = presentation if columns is None else with_columns(presentation, listed(columns))
    written = dict(_exports(presentation, tables, html, latex, csv, figures, form or "pdf"))
    if out is not None and ending:
        written[out] = report_content(tables if ending == ".tex" else presentation, ending, full)
    for path in written:  # before any is written: those in folders have the names of tables and figures
        require_new(path, overwrite)
    for path, content in written.items():
        write_whole(path, content)
    uri = _log(presentation, chosen_workspace) if log else None
    if as_json:
        emit(presentation.document(full))
        return
    from adapter_workbench.experiments.reporting.terminal import show

    show(tables, stdout, "" if run or against else page_of(chosen_workspace.experiment(experiment)))
    lines = [*(f"Written: {path}" for path in written), *([f"Logged to {uri}"] if uri else [])]
    if lines:
        stdout.print("\n" + "\n".join(lines))


def _require_none(options: Mapping[str, object], message: str, hint: str) -> None:
    """Raise InputError with this message where one of the options is given."""
    if given := [f"--{name}" for name, value in options.items() if value]:
        raise InputError(message, where=", ".join(given), hint=hint)


def _require_together(
    form_alone: object, columns_of_all: object, difference_logged: object, full_alone: object
) -> None:
    """Raise InputError where options are given that mean nothing together."""
    if form_alone:
        raise InputError("--format needs --figures DIR", hint="It is the format of the figures.")
    if columns_of_all:
        hint = "It chooses columns for the terminal, --latex and --csv; JSON and the page have all of them."
        raise InputError("--columns cannot be combined with --json or --html", hint=hint)
    if difference_logged:
        raise InputError("--log cannot be combined with --against", hint="MLflow holds experiments, not differences.")
    if full_alone:
        raise InputError("--full needs --json", hint="It adds the values of every seed; --out FILE.json has them too.")


def _require_targets(targets: Sequence[Path], overwrite: bool) -> None:
    """Raise InputError where nothing can be written, or a file is there that may not be replaced."""
    from adapter_workbench.workbench.files.atomic import require_folder_of, require_new

    if overwrite and not targets:
        raise InputError("--overwrite needs a file to write", hint="Add --out, --html, --latex, --csv or --figures.")
    for path in targets:
        require_folder_of(path)
        require_new(path, overwrite)


def _exports(
    presentation: Presentation,
    chosen: Presentation,
    html: Path | None,
    latex: Path | None,
    csv: Path | None,
    figures: Path | None,
    form: str,
) -> Iterator[tuple[Path, str | bytes]]:
    """Yield what is to be written, and where; ``chosen`` has the tables that were chosen."""
    from adapter_workbench.experiments.reporting import csv_tables, files

    if html:
        yield html, report_content(presentation, ".html")
    if latex:
        yield latex, report_content(chosen, ".tex")
    if csv:
        yield from ((csv / name, content) for name, content in csv_tables.csv_tables(chosen).items())
    if figures:
        yield from ((figures / f"{name}.{form}", drawn) for name, drawn in files.figures(presentation, form).items())


def _log(presentation: Presentation, workspace: Workspace) -> str:
    """Log an experiment to MLflow, and return MLflow's address."""
    from adapter_workbench.experiments.engine.publish import log_whole
    from adapter_workbench.experiments.tracking.anew import tracker_here
    from adapter_workbench.workbench.mlflow.address import printable_address

    tracker = tracker_here(workspace, stderr.print)
    log_whole(tracker, presentation, workspace)
    return printable_address(tracker.uri)


def _description(workspace: Workspace, name: str) -> str:
    """Return one line about an experiment from its record alone; where that cannot be read, why."""
    from adapter_workbench.experiments.studies import study_of

    try:
        record = workspace.records.require(name)
        return study_of(record.study, str(workspace.experiment(name))).describe(record)
    except IntegrityError as error:
        return f"{error.where}: {error.what}"
    except InputError as error:  # an earlier version wrote it
        return f"{error.what}; to have a report, run its recipe again"
