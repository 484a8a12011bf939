"""A candidate beside the champion: on one screen, as JSON, and as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.terminal.output import emit, from_here, stdout
from workbench.errors import InputError
from workbench.files.atomic import require_folder_of, require_new, write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from experiments.gating.candidate.report import CandidateReport


def require_page(html: Path | None, overwrite: bool) -> None:
    """Raise InputError where the page cannot be written, or a file is there that may not be replaced."""
    if html is None:
        if overwrite:
            raise InputError("--overwrite needs a file to write", hint="Add --html FILE.")
        return
    require_folder_of(html)
    require_new(html, overwrite)


def print_candidate(report: CandidateReport, html: Path | None, overwrite: bool, as_json: bool) -> None:
    """Write the page if one is wanted, and print the report."""
    from experiments.gating.candidate.present import present
    from experiments.reporting.page import page
    from experiments.reporting.terminal import show

    presentation = present(report)
    if html is not None:
        require_new(html, overwrite)
        write_whole(html, page(presentation, {}))
    if as_json:
        emit(report.as_json())
        return
    show(presentation, stdout)
    if html is not None:
        stdout.print(f"\nWritten: {from_here(html.absolute())}")
