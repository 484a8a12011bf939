"""What a notebook shows of the objects of the Python API: small tables, and the reports' own pages in a frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.page import environment, page
from adapter_workbench.experiments.reporting.wording import DASH

if TYPE_CHECKING:
    from adapter_workbench.experiments.reporting.presentation import Presentation

MOST_ROWS = 100  # of a table; a notebook keeps what it shows


def framed(presentation: Presentation) -> str:
    """Return a report's page in a frame, so that its style stays its own; no script runs in there, nothing is drawn."""
    style, title = "width:100%;height:36em;border:1px solid #ccc", escape(presentation.experiment)
    return f'<iframe sandbox title="{title}" style="{style}" srcdoc="{escape(page(presentation, {}))}"></iframe>'


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return an HTML table of the first hundred rows; every cell is escaped, ``None`` is a dash."""
    every = [[DASH if cell is None else str(cell) for cell in row] for row in rows]
    template = environment().get_template("notebook.html")
    return template.render(columns=columns, rows=every[:MOST_ROWS], more=len(every) - MOST_ROWS)
