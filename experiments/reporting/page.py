"""A report as one self-contained page: no script, no other file, nothing fetched, every name escaped."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from experiments.reporting.presentation import Figure, Medium, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.reporting.presentation import Presentation

MOST_COLUMNS = 10  # beside a table's first one
DPI = 192  # two pixels for each of a page's, so that print and good screens are sharp


@dataclass(frozen=True)
class Picture:
    """A PNG as part of a page: a data URI, and its width in CSS pixels."""

    source: str
    width: int


def page(presentation: Presentation, images: Mapping[str, bytes]) -> str:
    """Return the page; ``images`` are its figures as PNG, by name, and those that are not among them are left out."""
    blocks = [
        (type(part).__name__, part)
        for block in presentation.shown(Medium.PAGE)
        if not isinstance(block, Figure) or block.name in images
        for part in (_parts(block) if isinstance(block, Table) else [block])
    ]
    pictures = {name: _picture(image) for name, image in images.items()}
    return environment().get_template("page.html").render(shown=presentation, blocks=blocks, pictures=pictures)


def _parts(table: Table) -> Iterator[Table]:
    """Yield a table in as many parts as a page needs for it; each has the first column, the first one the title."""
    for start in range(1, max(len(table.columns), 2), MOST_COLUMNS):
        kept = (0, *range(start, min(start + MOST_COLUMNS, len(table.columns))))
        part = table.only(kept)
        yield part if start == 1 else replace(part, title="", note="")


def environment() -> Environment:
    """Return the templates of this package; names from users are escaped, and a name that is not there is an error."""
    found = Environment(
        loader=PackageLoader("experiments", "reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["unbroken"] = lambda text: text.replace(" %", "\u00a0%")
    return found


def _picture(image: bytes) -> Picture:
    (pixels,) = struct.unpack(">I", image[16:20])  # the width stands first in a PNG's header
    return Picture(f"data:image/png;base64,{base64.b64encode(image).decode()}", round(pixels * 96 / DPI))
