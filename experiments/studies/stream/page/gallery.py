"""Which figures a report has, and what stands around each of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.presentation import Figure
from adapter_workbench.experiments.reporting.wording import baselines, number, unit
from adapter_workbench.experiments.studies.stream.page.long_streams import is_long
from adapter_workbench.experiments.studies.stream.page.sentences import frontier_sentences
from adapter_workbench.experiments.studies.stream.results.probe_summaries import PANELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure as Drawing

    from adapter_workbench.experiments.studies.stream.results.report import Report


@dataclass(frozen=True)
class Exhibit:
    """One figure."""

    title: str  # over it
    caption: str  # under it; ``{percent}`` and ``{constant}`` depend on the kinds of the tasks
    read_out: tuple[str, str]  # what its text alternative names for each strategy: words, and a metric
    one_order: bool = False  # whether it shows one order of each seed alone: the recipe's, or the seed's


BARS = "Bars are 95 % intervals over replications; very long ones are clipped. Dots are replications."
DASHED = "Dashed: the stage that learns the task. "
AROUND = "Strategies that stand on one point are drawn around each other. "

EXHIBITS: dict[str, Exhibit] = {
    "frontier": Exhibit(
        "Stability and plasticity",
        "Strategies at several learning rates. Top left is best: learned well and kept. Filled: the rate that all "
        "tables use. Ringed: the rate that single-task validation picks. " + BARS,
        ("Learning accuracy at the rate that all tables use", "learning_accuracy"),
    ),
    "accuracy-matrices": Exhibit(
        "Accuracy matrices",
        "R[i, j] in {percent}, mean over seeds: the score on task j's test split (column) after stage i (row). All "
        "strategies share one colour scale. Hatched cells were not measured.",
        ("Average accuracy after the last stage", "average_accuracy"),
        one_order=True,
    ),
    "forgetting-curves": Exhibit(
        "Each task through the stream",
        "The score of each task after every stage: mean over seeds, their range shaded. "
        + DASHED
        + "Dotted: {constant}.",
        ("Mean drop of earlier tasks by the end", "forgetting"),
        one_order=True,
    ),
    "learning-versus-forgetting": Exhibit(
        "Learning against forgetting",
        "Top left is best: learned well and kept. " + AROUND + BARS,
        ("Learning accuracy", "learning_accuracy"),
    ),
    "accuracy-over-storage": Exhibit(
        "What storage buys",
        "Average accuracy after the last stage over the bytes that have to be kept to answer for every task, heads and "
        "shared weights included, the frozen backbone not. Top left is best. "
        + AROUND
        + "Bars: 95 % intervals over replications.",
        ("Average accuracy after the last stage", "average_accuracy"),
    ),
    "probes-by-layer": Exhibit(
        "Probes, layer by layer",
        "Mean over replications, their range shaded. "
        + " ".join(f"{panel.title}: {panel.formula}." for panel in PANELS)
        + " After Davari et al. (2022), Kornblith et al. (2019) and Shuttleworth et al. (2024).",
        ("Forgetting, as scored", "forgetting"),
    ),
}


OF_LONG_STREAMS: dict[str, Exhibit] = {
    "accuracy-matrices": replace(
        EXHIBITS["accuracy-matrices"],
        caption="R[i, j] in {percent}, mean over seeds: the score on task j's test split (column) after stage i (row). "
        "All strategies share one colour scale. Grey cells were not measured.",
    ),
    "forgetting-curves": replace(
        EXHIBITS["forgetting-curves"],
        title="Earlier tasks through the stream",
        caption="By how many points the tasks learned so far stand above or below the score that each had when it was "
        "learned: mean over tasks and seeds, and between the thin lines the middle 80 % of the tasks.",
    ),
}


def figures(report: Report) -> Iterator[Figure]:
    """Yield every figure; those without data draw nothing."""
    for name in EXHIBITS:
        exhibit = _exhibit(report, name)
        notes = tuple(frontier_sentences(report)) if name == "learning-versus-forgetting" else ()
        drawn = partial(draw, name, report)
        yield Figure(name, exhibit.title, caption(report, name), alternative(report, name), drawn, notes)


def _exhibit(report: Report, name: str) -> Exhibit:
    return (OF_LONG_STREAMS if is_long(report) else {}).get(name, EXHIBITS[name])


def draw(name: str, report: Report) -> Drawing | None:
    """Return a figure; None where the report has no data for it."""
    # with matplotlib, which takes a while
    from adapter_workbench.experiments.studies.stream.page import figures, long_figures, probe_figures

    if all(value is None for strategy in report.strategies for row in strategy.matrix for value in row):
        return None
    long = is_long(report)
    drawings = {
        "frontier": figures.frontier_figure,
        "accuracy-matrices": long_figures.matrices_as_images if long else figures.accuracy_matrices,
        "forgetting-curves": long_figures.lost_through_the_stream if long else figures.forgetting_curves,
        "learning-versus-forgetting": figures.learning_versus_forgetting,
        "accuracy-over-storage": figures.accuracy_over_storage,
        "probes-by-layer": probe_figures.probes_by_layer,
    }
    return drawings[name](report)


def caption(report: Report, name: str) -> str:
    """Return what stands under a figure."""
    exhibit, record, kinds = _exhibit(report, name), report.record, report.record.kinds
    text = exhibit.caption.replace("{constant}", baselines(kinds.values())).replace("{percent}", unit(kinds).words)
    text = text.replace(DASHED, "") if record.examined else text  # checkpoints learn no task
    if not (record.order_shown and exhibit.one_order):
        return text
    if record.order_per_seed:
        return f"{text.replace(DASHED, '')} Each seed learns the tasks in its own order."
    return f"{text} Shown is the recipe's own order of the stream; the tables count all {len(record.orders)} orders."


def alternative(report: Report, name: str) -> str:
    """Return what a figure shows, for whoever cannot see it."""
    exhibit = _exhibit(report, name)
    quantity, metric = exhibit.read_out
    sign = " points" if metric == "forgetting" else unit(report.record.kinds).sign
    values = [(strategy.label, strategy.metrics[metric].mean) for strategy in report.strategies]
    scores = ", ".join(f"{label} {number(value)}{sign}" for label, value in values if value is not None)
    return f"{exhibit.title}. {quantity}: {scores or 'not measured yet'}. The tables of this page hold the numbers."
