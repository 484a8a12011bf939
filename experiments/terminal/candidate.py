"""A candidate beside the champion: on one screen, as JSON, and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from adapter_workbench.experiments.terminal.options import path_option
from adapter_workbench.experiments.terminal.output import from_here, stdout
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files.atomic import require_folder_of, require_new, write_whole

if TYPE_CHECKING:
    from adapter_workbench.experiments.gating.candidate.report import CandidateReport

Html = Annotated[Path | None, path_option("FILE", "Write the report as one self-contained page.")]


def require_page(html: Path | None, overwrite: bool) -> None:
    """Raise InputError where the page cannot be written, or a file is there that may not be replaced."""
    if html is None:
        if overwrite:
            raise InputError("--overwrite needs a file to write", hint="Add --html FILE.")
        return
    require_folder_of(html)
    require_new(html, overwrite)


def write_page(report: CandidateReport, html: Path, overwrite: bool) -> None:
    """Write the report as a page."""
    from adapter_workbench.experiments.gating.candidate.present import present
    from adapter_workbench.experiments.reporting.page import page

    require_new(html, overwrite)
    write_whole(html, page(present(report), {}))


def print_candidate(report: CandidateReport, html: Path | None) -> None:
    """Print the report, and where its page was written."""
    from adapter_workbench.experiments.gating.candidate.present import present
    from adapter_workbench.experiments.reporting.terminal import show

    show(present(report), stdout)
    if html is not None:
        stdout.print(f"\nWritten: {from_here(html.absolute())}")
