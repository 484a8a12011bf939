"""The report on a comparison of compositions as files: one self-contained page, one JSON document, the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.figures import png
from experiments.reporting.pages import Picture, as_files, environment, picture
from experiments.studies.compositions.figures import figures
from experiments.studies.compositions.text import difference
from experiments.studies.compositions.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.studies.compositions.report import FusionReport

TITLES = {
    "gains": "Gains",
    "scores-by-shots": "Scores by number of examples",
    "diagnostics": "Before composing",
    "weights": "Weights of",
    "details": "Layer by layer:",
}
CAPTIONS = {
    "gains": "Difference in test score over all targets, K and seeds; green lies above the reference, orange below, "
    "grey cannot be told apart from it.",
    "scores-by-shots": "Mean over targets and seeds. Dashed: not composed.",
    "diagnostics": "What was known of the sources before they were composed (first seed). Each pair stands beside what "
    "chance gives.",
    "weights": "What each source came to weigh, mean over all fits.",
    "details": "What each layer gives each source, mean over all fits.",
}


def files(report: FusionReport) -> dict[str, bytes]:
    """Return the content of each file by its name."""
    drawn = images(report)
    return as_files(report.as_json(), drawn, page(report, drawn))


def images(report: FusionReport) -> dict[str, bytes]:
    """Return every figure of the report as PNG, by name."""
    return {name: png(figure) for name, figure in figures(report).items()}


def page(report: FusionReport, drawn: Mapping[str, bytes] | None = None) -> str:
    """Return the page; ``drawn`` are the images of :func:`images` where they are at hand already."""
    drawn = images(report) if drawn is None else drawn
    templates = environment()
    templates.filters["difference"] = difference
    overall = report.overall
    rows = [row for row in report.rows if row.standings[overall].score is not None]
    return templates.get_template("fusion.html").render(
        report=report,
        record=report.record,
        verdict=verdict(report),
        overall=overall,
        rows=sorted(rows, key=lambda row: (row.role != "pick", -(row.standings[overall].score or 0))),
        kept_tasks=list(dict.fromkeys(one.task for one in report.retained)),
        kept={label: {} for label in dict.fromkeys(one.label for one in report.retained)}
        | {
            one.label: {each.task: each for each in report.retained if each.label == one.label}
            for one in report.retained
        },
        pictures=[_picture(name, image) for name, image in drawn.items()],
    )


def _picture(name: str, image: bytes) -> Picture:
    kind, _, rest = name.partition("-")
    known = name if name in CAPTIONS else kind
    title = TITLES[known] if known in (name, "diagnostics") else f"{TITLES[known]} {rest}"
    return picture(name, image, title, CAPTIONS[known], title)
