"""The frontier of stability and plasticity as a figure: what a learning rate buys, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from adapter_workbench.experiments.reporting.figures import HALO, INK, STYLE, in_legend, look, short
from adapter_workbench.experiments.reporting.wording import unit
from adapter_workbench.experiments.studies.stream.page.figures import cross, learned_over_lost, lost_and_learned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from adapter_workbench.experiments.studies.stream.results.frontier import Frontier, Point
    from adapter_workbench.experiments.studies.stream.results.report import Report


def frontier_figure(report: Report) -> Figure | None:
    """Return learning accuracy over forgetting, a line through the learning rates of each strategy; None without any.

    Filled: the rate of the recipe's own entry. Ringed: the rate that single-task validation picks.
    """
    drawn = {label: frontier for label, frontier in report.frontier.items() if _shown(frontier)}
    if not drawn:
        return None
    indices = {strategy.label: index for index, strategy in enumerate(report.strategies)}
    with rc_context(STYLE):
        figure = Figure(figsize=(6.8, 4.6), layout="constrained")
        axes = figure.subplots()
        for label, frontier in drawn.items():
            _line(axes, label, frontier, indices[label])
        scores = unit(report.record.kinds)
        learned_over_lost(axes, [point.metrics for frontier in drawn.values() for point, _ in _shown(frontier)], scores)
        handles, _ = axes.get_legend_handles_labels()
        ring: dict[str, Any] = {"markersize": 11, "markerfacecolor": "none", "markeredgecolor": INK}
        handles.append(Line2D([], [], linestyle="none", marker="o", label="picked by single-task validation", **ring))
        figure.legend(handles=handles, loc="outside upper left", ncols=2)
    return figure


def _line(axes: Axes, label: str, frontier: Frontier, index: int) -> None:
    colour, marker = look(index)
    shown = _shown(frontier)
    axes.plot(*zip(*(at for _, at in shown), strict=True), color=colour, linewidth=1.1, alpha=0.7)
    axes.plot([], [], color=colour, marker=marker, markersize=6, label=in_legend(short(label)))
    for rank, (point, (x, y)) in enumerate(shown):
        cross(axes, point.metrics, colour, width=0.7)
        face = colour if point.chosen else "white"
        axes.plot(x, y, marker=marker, markersize=6.5, color=colour, markerfacecolor=face, zorder=3)
        if frontier.picked is point:
            axes.plot(x, y, marker="o", markersize=14, markerfacecolor="none", markeredgecolor=INK, zorder=4)
        offset = (7, 6 if rank % 2 else -11)  # neighbours on different sides of the line
        text: dict[str, Any] = {"size": 7.5, "color": colour, "zorder": 5, "path_effects": HALO}
        axes.annotate(f"{point.learning_rate:.2g}", (x, y), offset, textcoords="offset points", **text)


def _shown(frontier: Frontier) -> list[tuple[Point, tuple[float, float]]]:
    """Return the points that have a place, each with its forgetting and learning accuracy."""
    return [(point, at) for point in frontier.points if (at := lost_and_learned(point.metrics))]
