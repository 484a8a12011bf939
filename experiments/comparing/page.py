"""The report on a comparison of methods as files: one self-contained page, one JSON document, the figure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from experiments.comparing.figures import figures
from experiments.comparing.text import slowdown, tuned
from experiments.report.comparison import reading
from experiments.report.figures import png
from experiments.report.pages import environment, picture
from experiments.report.wording import count, megabytes, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.comparing.report import ComparisonReport

TITLE = "Score and size"
CAPTION = (
    "Top left is best: a high score with few trained parameters. The larger a mark, the more memory a training step "
    "takes beyond the model itself. Bars are 95 % intervals over seeds."
)


def files(report: ComparisonReport) -> dict[str, bytes]:
    """Return the content of each file by its name; ``report.html`` comes last, when all it goes with is there."""
    drawn = {name: png(figure) for name, figure in figures(report).items()}
    document = json.dumps(report.as_json(full=True), indent=1, ensure_ascii=False, allow_nan=False)
    return {
        "report.json": document.encode(),
        **{f"{name}.png": image for name, image in drawn.items()},
        "report.html": page(report, drawn).encode(),
    }


def page(report: ComparisonReport, drawn: Mapping[str, bytes] | None = None) -> str:
    """Return the page; ``drawn`` are the figures as PNG where they are at hand already."""
    drawn = {name: png(figure) for name, figure in figures(report).items()} if drawn is None else drawn
    templates = environment()
    templates.filters |= {"reading": reading, "slowdown": slowdown}
    return templates.get_template("methods.html").render(
        report=report,
        record=report.record,
        tuned=tuned(report),
        pictures=[picture(name, image, TITLE, CAPTION, _alternative(report)) for name, image in drawn.items()],
    )


def _alternative(report: ComparisonReport) -> str:
    """Return what the figure shows, for whoever cannot see it."""
    said = "; ".join(
        f"{row.label} {number(row.score.mean)} % with {count(row.trainable_parameters)} trained parameters, "
        f"{megabytes(row.measured.step_mb if row.measured else None)} a step"
        for row in report.scored
    )
    return f"{TITLE}. {said}. The tables of this page hold the numbers."
