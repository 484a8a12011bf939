"""A report as files: the page, the JSON document, and the figures, in whichever format."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.page import page

if TYPE_CHECKING:
    from adapter_workbench.experiments.reporting.presentation import Presentation

FORMATS = ("png", "svg", "pdf")


def files(presentation: Presentation) -> dict[str, bytes]:
    """Return the content of each file by its name; ``report.html`` comes last, when all it goes with is there."""
    images = figures(presentation)
    document = presentation.document(True)
    return {
        "report.json": json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False).encode(),
        **{f"{name}.png": image for name, image in images.items()},
        "report.html": page(presentation, images).encode(),
    }


def figures(presentation: Presentation, form: str = "png") -> dict[str, bytes]:
    """Return every figure that the report has data for, by name, in one of :data:`FORMATS`."""
    from adapter_workbench.experiments.reporting.figures import image  # matplotlib takes a while

    drawn = ((figure.name, figure.draw()) for figure in presentation.figures)
    return {name: image(figure, form) for name, figure in drawn if figure is not None}
