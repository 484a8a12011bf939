"""Average accuracy over what has to be kept to answer for every task: what storage buys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from adapter_workbench.experiments.reporting.figures import STYLE, half_width, in_words, look, marks
from adapter_workbench.experiments.reporting.wording import megabytes, unit
from adapter_workbench.experiments.studies.stream.results.quantities import STORED

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.stream.results.report import Report


DECADE = 10  # from which ratio of sizes on the axis is logarithmic


def accuracy_over_storage(report: Report) -> Figure | None:
    """Return average accuracy over stored bytes; None where those of fewer than two strategies are known."""
    points = [
        (index, strategy, stored / 1e6, strategy.metrics["average_accuracy"])
        for index, strategy in enumerate(report.strategies)
        if (stored := STORED.number(strategy)) and strategy.metrics["average_accuracy"].mean is not None
    ]
    if len(points) < 2:
        return None
    with rc_context(STYLE):
        figure = Figure(figsize=(6.8, 4.2), layout="constrained")
        axes = figure.subplots()
        placed: list[tuple[int, str, tuple[float, float]]] = []
        for index, strategy, stored, accuracy in points:
            at = stored, 100 * float(accuracy.mean or 0)
            bar: dict[str, Any] = {"linewidth": 1.3, "capsize": 2.5, "alpha": 0.6, "fmt": "none"}
            axes.errorbar(*at, yerr=half_width(accuracy), color=look(index)[0], **bar)
            placed.append((index, strategy.label, at))
        sizes = [stored for _, _, stored, _ in points]
        if max(sizes) > DECADE * min(sizes):
            axes.set_xscale("log")
        marks(axes, placed)
        in_words(axes.xaxis, megabytes)
        scores = unit(report.record.kinds)
        axes.set(xlabel="stored to answer for every task", ylabel=f"average accuracy {scores.axis}")
        axes.grid(visible=True)
        axes.set_axisbelow(True)
        figure.legend(loc="outside upper left", ncols=3)
    return figure
