"""The report as files: one self-contained page, one JSON document, one PNG for each figure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from experiments.report.html import images, page

if TYPE_CHECKING:
    from experiments.report.document import Report


def files(report: Report) -> dict[str, bytes]:
    """Return the content of each file by its name; ``report.html`` comes last, when all it goes with is there."""
    drawn = images(report)
    document = json.dumps(report.as_json(full=True), indent=2, ensure_ascii=False, allow_nan=False)
    return {
        "report.json": document.encode(),
        **{f"{name}.png": image for name, image in drawn.items()},
        "report.html": page(report, drawn).encode(),
    }
