"""What commands print: tables for people, one JSON document for scripts, errors as one message.

Everything goes through here, whoever wrote it: labels, texts, names of files. On these consoles nothing is markup, and
a character that a terminal would obey is written out.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from adapter_workbench.experiments.reporting.grid import grid, printable_lines
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.errors.printable import printable
from adapter_workbench.workbench.files.atomic import require_folder_of, require_new

if TYPE_CHECKING:
    from adapter_workbench.experiments.reporting.presentation import Presentation


class Screen(Console):
    """A console on which text is text: no markup, no emoji codes, and no character that a terminal would obey."""

    def __init__(self, stderr: bool = False) -> None:
        """Print on stdout, or on stderr."""
        super().__init__(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)
        self._width = self._height = None  # rich reads COLUMNS and LINES once, as it is made; here each time

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield what rich makes of anything, its text :func:`printable_lines`."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable_lines(segment.text), segment.style)


WIDEST = 60  # characters of a person's text in a table

stdout = Screen()
stderr = Screen(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]


def emit(document: Any) -> None:
    """Print ``document`` as JSON on stdout; NaN is refused, since JSON has none.

    What a terminal would obey is escaped, as JSON itself does with the first 32 characters.
    """
    sys.stdout.write(re.sub(r"[^\n -~]", _escaped, as_document(document)))


def as_document(document: Any) -> str:
    """Return what :func:`emit` prints, as the content of a file."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def require_out(
    path: Path, endings: Collection[str], overwrite: bool, also: str = "", source: Path | None = None
) -> str:
    """Return the ending of ``--out FILE``, which says in which format a command writes there.

    Args:
        path: the file.
        endings: those that the command knows, in lower case.
        overwrite: whether it may exist.
        also: where else the command writes something that has no ending here.
        source: the file that the command reads.

    Raises:
        InputError: another ending; its folder is missing; it exists and may not be replaced, or is the ``source``.
    """
    ending = path.suffix.lower()
    if ending not in endings:
        hint = f"Known: {', '.join(endings)}.{also and f' {also}'}"
        raise InputError("cannot tell the format to write", where=str(path), hint=hint)
    require_folder_of(path)
    if source is not None and path.exists() and source.exists() and path.samefile(source):
        hint = "Give --out another name."
        raise InputError("answers cannot replace the file that is read", where=str(path), hint=hint)
    require_new(path, overwrite)
    return ending


DOCUMENT = ".json"  # what --json prints, as a file
ANSWERS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", DOCUMENT)  # the forms of answers to the rows of a file
REPORTS = (".html", ".json", ".tex")  # the forms of a report on an experiment that are one file


def report_content(presentation: Presentation, ending: str, full: bool = False) -> str:
    """Return a report as a file with one of the endings :data:`REPORTS`; ``full``: as ``--json --full`` prints it."""
    from adapter_workbench.experiments.reporting import files, latex, page

    if ending == DOCUMENT:
        return as_document(presentation.document(full))
    return latex.latex(presentation) if ending == ".tex" else page.page(presentation, files.figures(presentation))


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    return character if printable(character, None) == character else json.dumps(character)[1:-1]


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """Print a table on stdout: numbers to the right, ``None`` as a dash; where there is room no word is broken.

    Columns are called what they are called: some are a person's own, of a file or a task.
    """
    rows = [list(row) for row in rows]
    cells = [["–" if cell is None else str(cell) for cell in row] for row in rows]
    numeric = [
        bool(rows) and all(isinstance(row[index], int | float | None) for row in rows) for index in range(len(columns))
    ]
    if title:
        stdout.print(title, style="bold")
    stdout.print(grid(columns, cells, [not is_number for is_number in numeric], stdout))


def listing(entries: Sequence[dict[str, Any]], as_json: bool) -> None:
    """Print a list of objects that have ``name`` (or ``id``) and ``description``."""
    if as_json:
        emit(list(entries))
    else:
        table([*entries[0]] if entries else ["name", "description"], [list(entry.values()) for entry in entries])


def shortened(value: object) -> str:
    """Return the beginning of a value in one line, for a table."""
    line = " ".join(str(value).split())
    return line if len(line) <= WIDEST else f"{line[: WIDEST - 1]}…"


def page_of(experiment: Path) -> str:
    """Return where the report's page lies in an experiment's folder, from here; nothing where there is none."""
    page = experiment / "report.html"
    return str(from_here(page)) if page.is_file() else ""


def from_here(path: Path) -> Path:
    """Return a path without the folder that the person is in, where it lies below that."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
