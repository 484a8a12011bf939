"""The figures that every report on a stream has: accuracy matrices, curves, learning against forgetting."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from adapter_workbench.experiments.reporting.figures import (
    FAINT,
    HALO,
    INK,
    STYLE,
    colour_scale,
    half_width,
    in_legend,
    in_words,
    line,
    look,
    marks,
    short,
    squares,
)
from adapter_workbench.experiments.reporting.wording import baselines, megabytes, number, unit
from adapter_workbench.experiments.studies.stream.results.quantities import STORED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from adapter_workbench.experiments.reporting.wording import Unit
    from adapter_workbench.experiments.studies.stream.results.frontier import Frontier, Point
    from adapter_workbench.experiments.studies.stream.results.report import Report
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport
    from adapter_workbench.workbench.measures.statistics import Interval

MARKS = {"verified": "✓", "carried": "→"}
DECADE = 10  # from which ratio of sizes on the axis is logarithmic


def accuracy_matrices(report: Report) -> Figure:
    """Return R of every strategy as heat maps on one colour scale: rows are stages, columns are tasks.

    Mean over seeds in the recipe's own order, or of each seed in its own.
    """
    tasks, shown = report.record.tasks, report.strategies
    columns = min(len(shown), 3 if len(tasks) <= 5 else 2)
    rows = math.ceil(len(shown) / columns)
    norm = scale(report)
    first = first_measured(report)
    width, height = 0.75 + 0.52 * len(tasks), 1.35 + 0.36 * (report.record.last + 1 - first)
    with rc_context(STYLE):
        figure = Figure(figsize=(max(columns * width, 4.0) + 0.9, rows * height + 0.35), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for panel, strategy in zip(axes, shown, strict=False):
            _heat_map(panel, strategy, tasks, norm, first)
        finish_matrices(figure, axes, report, rows)
        figure.supxlabel("✓ recomputed, all logits bit-identical    → carried over    hatched: not measured", size=8)
    return figure


def finish_matrices(figure: Figure, axes: NDArray[Any], report: Report, rows: int) -> None:
    """Hide the panels that no strategy takes, and put the colour scale beside all ``axes``, which have so many rows."""
    for panel in axes[len(report.strategies) :]:
        panel.set_axis_off()
    bar = colour_scale(figure, axes, ScalarMappable(scale(report), "cividis"), rows)
    bar.ax.set_title(unit(report.record.kinds).sign.strip() or "× 100", size=8, loc="center")


def scale(report: Report) -> Normalize:
    """Return one scale for all strategies, from the lowest score (rounded down to a tenth) to 1."""
    scores = [value for strategy in report.strategies for row in strategy.matrix for value in row if value is not None]
    return Normalize(min(math.floor(min(scores, default=0.0) * 10) / 10, 0.9), 1.0)


def first_measured(report: Report) -> int:
    """Return the stage that figures begin with: 0 only where some strategy was tested before any training."""
    return 0 if any(value is not None for strategy in report.strategies for value in strategy.matrix[0]) else 1


def _heat_map(axes: Axes, strategy: StrategyReport, tasks: Sequence[str], norm: Normalize, first: int) -> None:
    stages = range(first, strategy.last + 1)
    values = {(task, stage): value for stage in stages for task, value in enumerate(strategy.matrix[stage])}
    for (column, stage), ink in squares(axes, values, norm).items():
        style: dict[str, Any] = {"va": "center", "color": ink, "in_layout": False}  # it is inside the axes
        axes.text(column, stage + 0.04, number(values[column, stage]), ha="center", size=8, **style)
        if mark := MARKS.get(strategy.statuses[stage][column] or ""):
            axes.text(column + 0.46, stage - 0.2, mark, ha="right", size=5.5, **style)
    axes.set(xlim=(-0.5, len(tasks) - 0.5), ylim=(strategy.last + 0.5, first - 0.5), aspect="auto")
    axes.set_xticks(range(len(tasks)), [short(task, 20) for task in tasks])
    axes.tick_params(axis="x", rotation=35, labelsize=7.5)
    for label in axes.get_xticklabels():
        label.set(ha="right", rotation_mode="anchor")
    axes.set_yticks(stages, ["before" if stage == 0 else str(stage) for stage in stages])
    axes.tick_params(length=0)
    axes.set_ylabel("after stage")
    axes.set_title(short(strategy.label), weight="bold")
    for spine in axes.spines.values():
        spine.set_visible(False)


def forgetting_curves(report: Report) -> Figure:
    """Return each task's score over the stages, one line a strategy, the range of its seeds shaded.

    In the recipe's own order, or of each seed in its own; then the stage that learns a task is another one each time.
    """
    tasks = report.record.tasks
    rows = math.ceil(len(tasks) / (2 if len(tasks) == 4 else 3 if len(tasks) <= 6 else 4))
    columns = math.ceil(len(tasks) / rows)
    with rc_context(STYLE):
        size = (
            max(min(9.2 / columns, 3.4) * columns, 5.0),
            2.1 * rows + 0.6 + 0.22 * math.ceil(len(report.strategies) / 3),
        )
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for column, (axes, task) in enumerate(zip(grid.ravel(), tasks, strict=False)):
            _curve(axes, report, column)
            axes.set_title(short(task), weight="bold", size=9)
        for index in range(len(tasks), rows * columns):
            grid.ravel()[index].set_axis_off()
            grid.ravel()[index - columns].tick_params(labelbottom=True)
        for axes in grid[:, 0]:
            axes.set_ylabel(f"score {unit(report.record.kinds).axis}")
        constant = baselines(report.record.kinds.values())
        learned = "dashed: the task is learned; " if _at_one_stage(report) else ""
        figure.supxlabel(f"stage ({learned}dotted: {constant})", size=8.5)
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=3)
    return figure


def _at_one_stage(report: Report) -> bool:
    """Return whether there is a stage that learns a task, the same one in all replications."""
    return not (report.record.order_per_seed or report.record.examined)


def _curve(axes: Axes, report: Report, column: int) -> None:
    stages, first = np.arange(report.record.last + 1), first_measured(report)
    for index, strategy in enumerate(report.strategies):
        style = line(index)
        seeds = np.array([[row[column] for row in grid] for grid in strategy.grids], dtype=float) * 100
        mean = np.array([row[column] for row in strategy.matrix], dtype=float) * 100  # (T + 1,)
        measured = np.isfinite(mean)
        low, high = (bound(np.where(np.isfinite(seeds), seeds, mean), axis=0) for bound in (np.min, np.max))
        axes.fill_between(stages, low, high, where=measured, color=style["color"], alpha=0.18, linewidth=0)
        axes.plot(stages[measured], mean[measured], label=in_legend(short(strategy.label)), **style)
    majority = report.record.majority[column]
    if math.isfinite(majority):
        axes.axhline(100 * majority, color=FAINT, linestyle=":", linewidth=1)
    if _at_one_stage(report):
        axes.axvline(column + 1, color=FAINT, linestyle="--", linewidth=0.8)
    axes.grid(visible=True, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(first - 0.2, len(stages) - 0.8)
    axes.set_axisbelow(True)


def learning_versus_forgetting(report: Report) -> Figure | None:
    """Return learning accuracy over forgetting, with 95 % intervals; None where no strategy has both.

    Checkpoints learn nothing, so that of one entry alone there is nothing to compare either.
    """
    points = [
        (index, strategy, at)
        for index, strategy in enumerate(report.strategies)
        if (at := lost_and_learned(strategy.metrics))
    ]
    if not points or (report.record.examined and len(points) == 1):
        return None
    with rc_context(STYLE):
        figure = Figure(figsize=(6.8, 4.2), layout="constrained")
        axes = figure.subplots()
        for index, strategy, _ in points:
            cross(axes, strategy.metrics, look(index)[0], width=1.3)
        marks(axes, [(index, strategy.label, at) for index, strategy, at in points])
        learned_over_lost(axes, [strategy.metrics for _, strategy, _ in points], unit(report.record.kinds))
        figure.legend(loc="outside upper left", ncols=3)
    return figure


def lost_and_learned(metrics: Mapping[str, Interval]) -> tuple[float, float] | None:
    """Return mean forgetting in points and mean learning accuracy times 100; None where one was not measured."""
    lost, learned = metrics["forgetting"].mean, metrics["learning_accuracy"].mean
    return None if lost is None or learned is None else (100 * lost, 100 * learned)


def cross(axes: Axes, metrics: Mapping[str, Interval], colour: str, width: float) -> None:
    """Draw forgetting and learning accuracy: their 95 % intervals, and each replication as a dot."""
    lost, learned = metrics["forgetting"], metrics["learning_accuracy"]
    style: dict[str, Any] = {"color": colour, "linewidth": width, "capsize": 2.5, "alpha": 0.6, "fmt": "none"}
    if at := lost_and_learned(metrics):
        axes.errorbar(*at, xerr=half_width(lost), yerr=half_width(learned), **style)
    pairs = zip(lost.values, learned.values, strict=True)
    dots = [(100 * x, 100 * y) for x, y in pairs if x is not None and y is not None]
    axes.scatter([x for x, _ in dots], [y for _, y in dots], s=14, alpha=0.5, linewidths=0, color=colour)


def learned_over_lost(axes: Axes, metrics: Sequence[Mapping[str, Interval]], scores: Unit) -> None:
    """Finish axes of learning accuracy, in ``scores``, over forgetting in points, in which ``metrics`` were drawn.

    With few seeds an interval can be many times as wide as all points together, and would squeeze them into one spot.
    So it is clipped where it reaches further from the nearest replication than the replications are apart, and where no
    score can be.
    """
    axes.axvline(0, color=FAINT, linewidth=0.8, zorder=1)
    axes.margins(0.15)
    for name, least, edges, crop in (
        ("forgetting", -100.0, axes.get_xlim(), axes.set_xlim),
        ("learning_accuracy", 0.0, axes.get_ylim(), axes.set_ylim),
    ):
        values = [100 * value for intervals in metrics for value in intervals[name].values if value is not None]
        low, high = min(values), max(values)
        room = max(high - low, 2.0)
        crop(max(edges[0], low - room, min(least, low) - 2), min(edges[1], high + room, max(100.0, high) + 2))
    axes.set(xlabel="forgetting in points (less is better)", ylabel=f"learning accuracy {scores.axis} (more is better)")
    axes.grid(visible=True)
    axes.set_axisbelow(True)


# Average accuracy over what has to be kept to answer for every task: what storage buys.


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


# The frontier of stability and plasticity as a figure: what a learning rate buys, and what it costs.


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
