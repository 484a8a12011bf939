"""The report on a comparison of methods as files: one self-contained page, one JSON document, the figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.differences import reading
from experiments.reporting.figures import png
from experiments.reporting.pages import as_files, environment, picture
from experiments.reporting.wording import baseline, count, megabytes, number, unit
from experiments.studies.methods.figures import figures
from experiments.studies.methods.text import slowdown, tuned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.studies.methods.report import ComparisonReport

TITLE = "Score and size"
CAPTION = (
    "Top left is best: a high score with few trained parameters. The larger a mark, the more memory a training step "
    "takes beyond the model itself. Bars are 95 % intervals over seeds."
)


def files(report: ComparisonReport) -> dict[str, bytes]:
    """Return the content of each file by its name."""
    drawn = images(report)
    return as_files(report.as_json(full=True), drawn, page(report, drawn))


def images(report: ComparisonReport) -> dict[str, bytes]:
    """Return every figure of the report as PNG, by name."""
    return {name: png(figure) for name, figure in figures(report).items()}


def page(report: ComparisonReport, drawn: Mapping[str, bytes] | None = None) -> str:
    """Return the page; ``drawn`` are the images of :func:`images` where they are at hand already."""
    drawn = images(report) if drawn is None else drawn
    templates = environment()
    templates.filters |= {"reading": reading, "slowdown": slowdown}
    kinds = report.record.kinds
    return templates.get_template("methods.html").render(
        report=report,
        record=report.record,
        tuned=tuned(report),
        unit=unit(kinds),
        constant={
            task: (baseline(kinds.get(task, "")), f"{number(score)}{unit({task: kinds.get(task, '')}).sign}")
            for task, score in report.record.majority.items()
        },
        pictures=[picture(name, image, TITLE, CAPTION, _alternative(report)) for name, image in drawn.items()],
    )


def _alternative(report: ComparisonReport) -> str:
    """Return what the figure shows, for whoever cannot see it."""
    sign = unit(report.record.kinds).sign
    said = "; ".join(
        f"{row.label} {number(row.score.mean)}{sign} with {count(row.trainable_parameters)} trained parameters, "
        f"{megabytes(row.measured.step_mb if row.measured else None)} a step"
        for row in report.scored
    )
    return f"{TITLE}. {said}. The tables of this page hold the numbers."
