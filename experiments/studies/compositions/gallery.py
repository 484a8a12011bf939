"""Which figures a comparison of compositions has, and what stands around each of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.reporting.presentation import Figure
from adapter_workbench.workbench.mlflow.mlflow_names import plain_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure as Drawing

    from adapter_workbench.experiments.studies.compositions.report import FusionReport, Row

CAPTIONS = {
    "gains": "Difference in test score over all targets, K and seeds; green lies above what it is compared with, "
    "orange below, grey neither.",
    "scores-by-shots": "Mean over targets and seeds. Dashed: not composed.",
    "diagnostics": "What was known of the sources before they were composed (first seed). Each pair stands beside what "
    "chance gives.",
    "weights": "What each source came to weigh, mean over all fits.",
    "details": "What each layer gives each source, mean over all fits.",
}


def figures(report: FusionReport) -> Iterator[Figure]:
    """Yield every figure; those without data draw nothing."""
    if not report.rows:
        return
    yield _figure("gains", "", "Gains", report)
    if len(report.record.shots) > 1:
        yield _figure("scores-by-shots", "", "Scores by number of examples", report)
    for seed_and_family, document in list(report.record.diagnostics.items())[:1]:
        yield _figure(
            "diagnostics", "-".join(map(plain_name, seed_and_family.split("/"))), "Before composing", document
        )
    for row in report.rows:
        if row.role == "composition":
            yield from _learned(report, row)


def _learned(report: FusionReport, row: Row) -> Iterator[Figure]:
    """Yield the weights and the attention of an entry that has learned some."""
    sources = report.record.sources
    all_names = (str(source["task"]) for source in sources if source["method"] == row.family)
    names = list(dict.fromkeys(report.made_of.get(row.label) or all_names))
    details = dict(report.details.get(row.label, {}))
    weights = details.pop("weights", None)
    label = plain_name(row.label)
    if weights and len(weights) == len(names) and len(set(weights)) > 1:
        yield _figure("weights", label, f"Weights of {row.label}", dict(zip(names, weights, strict=True)))
    if details and all(len(values) == len(names) for values in details.values()):
        yield _figure("details", label, f"Layer by layer: {row.label}", details, names)


def _figure(kind: str, name: str, title: str, *given: Any) -> Figure:
    caption = CAPTIONS[kind]
    whole = f"{kind}-{name}" if name else kind
    return Figure(whole, title, caption, f"{title}. {caption}", partial(_draw, kind, *given))


def _draw(kind: str, *given: Any) -> Drawing | None:
    from adapter_workbench.experiments.studies.compositions import figures, source_figures  # matplotlib takes a while

    drawings: dict[str, Any] = {
        "gains": figures.gains,
        "scores-by-shots": figures.scores_by_shots,
        "diagnostics": source_figures.diagnostics_map,
        "weights": source_figures.weight_bars,
        "details": source_figures.attention_map,
    }
    drawn: Drawing | None = drawings[kind](*given)
    return drawn
