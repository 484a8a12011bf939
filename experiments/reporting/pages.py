"""What every self-contained page has: templates with the numbers' wording, and pictures that are part of the page."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from experiments.reporting import wording
from experiments.reporting.figures import DPI


@dataclass(frozen=True)
class Picture:
    """One figure of a page: a data URI, its width in CSS pixels, and what stands around it."""

    name: str
    title: str
    caption: str
    alt: str
    source: str
    width: int


def picture(name: str, image: bytes, title: str, caption: str, alt: str) -> Picture:
    """Return a PNG as a picture of a page."""
    (pixels,) = struct.unpack(">I", image[16:20])  # the width stands first in a PNG's header
    source = f"data:image/png;base64,{base64.b64encode(image).decode()}"
    return Picture(name, title, caption, alt, source, round(pixels * 96 / DPI))


def as_files(document: Mapping[str, Any], drawn: Mapping[str, bytes], page: str) -> dict[str, bytes]:
    """Return the content of each file by its name; ``report.html`` comes last, when all it goes with is there."""
    return {
        "report.json": json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False).encode(),
        **{f"{name}.png": image for name, image in drawn.items()},
        "report.html": page.encode(),
    }


def environment() -> Environment:
    """Return the templates of this package; names from users are escaped, and a name that is not there is an error."""
    found = Environment(
        loader=PackageLoader("experiments", "reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = (wording.number, wording.bounds, wording.seconds, wording.megabytes, wording.count, wording.probability)
    found.filters |= {word.__name__: word for word in words}
    found.globals["plural"] = wording.plural
    return found
