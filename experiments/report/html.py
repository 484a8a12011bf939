"""The report as one self-contained page: no script, no other file, nothing fetched."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from experiments.report import wording
from experiments.report.comparison import SAME, reading
from experiments.report.figures import DPI, figures, png
from experiments.report.verdict import headline, versus
from workbench.forgetting import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.report.document import Report

TITLES = {
    "accuracy-matrices": "Accuracy matrices",
    "forgetting-curves": "Each task through the stream",
    "learning-versus-forgetting": "Learning against forgetting",
}
CAPTIONS = {
    "accuracy-matrices": "R[i, j] in percent, mean over seeds: the score on task j's test split (column) after stage i "
    "(row). All strategies share one colour scale. Hatched cells were not measured.",
    "forgetting-curves": "The score of each task after every stage: mean over seeds, the range of the seeds shaded. "
    "Dashed: the stage that learns the task. Dotted: the majority class.",
    "learning-versus-forgetting": "Top left is best: learned well and kept. Bars are 95 % intervals over seeds.",
}
# what low forgetting may hide stands beside it: how well tasks were learned at all, macro and micro
MAIN = ("average_accuracy", "average_accuracy_micro", "learning_accuracy", "forgetting", "intransigence")


@dataclass(frozen=True)
class Picture:
    """One figure of the page: a data URI, its width in CSS pixels, and what stands around it."""

    title: str
    caption: str
    alt: str
    source: str
    width: int


def images(report: Report) -> dict[str, bytes]:
    """Return every figure of the report as PNG, by name."""
    return {name: png(figure) for name, figure in figures(report).items()}


def page(report: Report, drawn: Mapping[str, bytes] | None = None) -> str:
    """Return the page; ``drawn`` are the images of :func:`images` where they are at hand already."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    plain = {"number": wording.number, "bounds": wording.bounds, "seconds": wording.seconds}
    environment.filters |= {**plain, "megabytes": wording.megabytes, "count": wording.count, "reading": reading}
    return environment.get_template("page.html").render(
        report=report,
        record=report.record,
        metrics=METRICS,
        main_metrics=[metric for metric in METRICS if metric.name in MAIN],
        further_metrics=[metric for metric in METRICS if metric.name not in MAIN],
        same=SAME,
        others=_others(report),
        pictures=[_picture(report, name, image) for name, image in (drawn or images(report)).items()],
        probes=_probes(report),
        planned=len(report.record.tasks) * len(report.record.seeds),
        plural=wording.plural,
    )


def _others(report: Report) -> list[str]:
    """Return the sentences on every strategy but the reference and the one that the verdict is about."""
    first = headline(report.record, report.strategies)
    reference = next((one for one in report.strategies if one.label == report.record.reference), None)
    rest = [one for one in report.strategies if one.comparison is not None and one is not first]
    return [versus(report.record, one, reference) for one in rest] if reference else []


def _picture(report: Report, name: str, image: bytes) -> Picture:
    source = f"data:image/png;base64,{base64.b64encode(image).decode()}"
    (pixels,) = struct.unpack(">I", image[16:20])  # the width stands first in a PNG's header
    return Picture(TITLES[name], CAPTIONS[name], alt_text(report, name), source, round(pixels * 96 / DPI))


def alt_text(report: Report, name: str) -> str:
    """Return what a figure shows, for whoever cannot see it."""
    shown = {
        "accuracy-matrices": ("Average accuracy after the last stage", "average_accuracy", "%"),
        "forgetting-curves": ("Mean drop of earlier tasks by the end", "forgetting", "points"),
        "learning-versus-forgetting": ("Learning accuracy", "learning_accuracy", "%"),
    }
    what, metric, unit = shown[name]
    values = [(one.label, one.metrics[metric].mean) for one in report.strategies]
    said = ", ".join(f"{label} {wording.number(value)} {unit}" for label, value in values if value is not None)
    return f"{TITLES[name]}. {what}: {said or 'not measured yet'}. The tables of this page hold the numbers."


def _probes(report: Report) -> list[tuple[str, str]]:
    """Return every (probe, quantity) that any strategy has, in the order in which they come."""
    found = [(probe, name) for one in report.strategies for probe, names in one.probes.items() for name in names]
    return list(dict.fromkeys(found))
