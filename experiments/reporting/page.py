"""A report as one self-contained page: no other file, nothing fetched, every name escaped.

It has one small script where a table is long: its rows can be sorted and searched. Without scripts it reads the same.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from adapter_workbench.experiments.reporting.presentation import Figure, Medium, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.reporting.presentation import Presentation

WIDEST = 150  # characters of a table's line, small ones among them
MOST_ROWS = 12  # of a table that is read whole; one with more can be sorted and searched
DPI = 192  # two pixels for each of a page's, so that print and good screens are sharp


@dataclass(frozen=True)
class Picture:
    """A PNG as part of a page: a data URI, its width in CSS pixels, and whether it needs most of a page in print."""

    source: str
    width: int
    tall: bool


def page(presentation: Presentation, images: Mapping[str, bytes]) -> str:
    """Return the page; ``images`` are its figures as PNG, by name, and those that are not among them are left out."""
    blocks = [
        (type(chunk).__name__, chunk)
        for block in presentation.shown(Medium.PAGE)
        if not isinstance(block, Figure) or block.name in images
        for chunk in (_chunks(block) if isinstance(block, Table) else [block])
    ]
    lengths = [len(chunk.rows) for _, chunk in blocks if isinstance(chunk, Table)]
    template = environment().get_template("page.html")
    return template.render(
        shown=presentation,
        blocks=blocks,
        pictures={name: _picture(image) for name, image in images.items()},
        most_rows=MOST_ROWS,
        longest=max(lengths, default=0),
    )


def _chunks(table: Table) -> Iterator[Table]:
    """Yield a table in as many parts as a page needs for it; each has the first column, the first one the title."""
    first, *widths = (_width(table, index) for index in range(len(table.columns)))
    chunks = math.ceil(sum(widths) / max(WIDEST - first, WIDEST // 2))
    size = max(math.ceil(len(widths) / max(chunks, 1)), 1)
    for start in range(1, max(len(table.columns), 2), size):
        chunk = table.with_columns([0, *range(start, min(start + size, len(table.columns)))])
        yield chunk if start == 1 else replace(chunk, title="", note="")


def _width(table: Table, index: int) -> int:
    """Return how many characters wide a column is, of which only the words of the head go on the next line."""
    column = table.columns[index]
    lines = [*column.head.split(), column.note]
    lines += [] if column.left else [line for row in table.rows for line in (row[index].text, *row[index].notes)]
    return 2 + max(map(len, lines))


def environment() -> Environment:
    """Return the templates of this package; names from users are escaped, and a name that is not there is an error."""
    templates = Environment(
        loader=PackageLoader("adapter_workbench.experiments", "reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["unbroken"] = lambda text: text.replace(" %", "\u00a0%")
    return templates


def _picture(image: bytes) -> Picture:
    width, height = struct.unpack(">II", image[16:24])  # they stand first in a PNG's header
    source = f"data:image/png;base64,{base64.b64encode(image).decode()}"
    return Picture(source, round(width * 96 / DPI), tall=height > width)
