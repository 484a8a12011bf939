"""The report as files, first of all one self-contained page: no script, no other file, nothing fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting import wording
from experiments.reporting.differences import SAME, reading
from experiments.reporting.figures import png
from experiments.reporting.pages import Picture, as_files, environment, picture
from experiments.studies.stream.gallery import EXHIBITS, alternative, caption, figures
from experiments.studies.stream.probe_summaries import summaries
from experiments.studies.stream.sentences import frontier_sentences, other_verdicts, spurious_sentences
from workbench.forgetting import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.studies.stream.report import Report

# what low forgetting may hide stands beside it: how well tasks were learned at all
MAIN = ("average_accuracy", "learning_accuracy", "forgetting", "backward_transfer", "intransigence")


def files(report: Report) -> dict[str, bytes]:
    """Return the content of each file by its name."""
    drawn = images(report)
    return as_files(report.as_json(full=True), drawn, page(report, drawn))


def images(report: Report) -> dict[str, bytes]:
    """Return every figure of the report as PNG, by name."""
    return {name: png(figure) for name, figure in figures(report).items()}


def page(report: Report, drawn: Mapping[str, bytes] | None = None) -> str:
    """Return the page; ``drawn`` are the images of :func:`images` where they are at hand already."""
    templates = environment()
    templates.filters["reading"] = reading
    record = report.record
    pictures = [_picture(report, name, image) for name, image in (images(report) if drawn is None else drawn).items()]
    found = {one.label: summaries(one, record.tasks) for one in report.strategies}
    return templates.get_template("page.html").render(
        report=report,
        record=record,
        unit=wording.unit(record.kinds),
        constant=wording.baselines(record.kinds.values()),
        replicated=wording.replicated(len(record.seeds), len(record.orders)),
        metrics=METRICS,
        main_metrics=[metric for name in MAIN for metric in METRICS if metric.name == name],
        further_metrics=[metric for metric in METRICS if metric.name not in MAIN],
        same=SAME,
        others=other_verdicts(report),
        pictures=pictures,
        frontier_sentences=frontier_sentences(report),
        probes=found,
        probe_columns=sorted({key for summary in found.values() for key in summary}),
        spurious=spurious_sentences(report),
    )


def _picture(report: Report, name: str, image: bytes) -> Picture:
    return picture(name, image, EXHIBITS[name].title, caption(report, name), alternative(report, name))
