"""Figures of long streams, whose size does not grow with the tasks: matrices as images, forgetting as one curve."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from adapter_workbench.experiments.reporting.figures import FAINT, STYLE, in_legend, line, short
from adapter_workbench.experiments.studies.stream.page.figures import finish_matrices, scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from adapter_workbench.experiments.studies.stream.results.replication_report import Grid
    from adapter_workbench.experiments.studies.stream.results.report import Report
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport

PANEL, SMALL_PANEL = 2.6, 1.6  # inches
FEW = 9  # strategies whose images are of the larger kind
MIDDLE = (10, 90)  # percentiles of the tasks that are shaded


def matrices_as_images(report: Report) -> Figure:
    """Return R of every strategy as an image: rows are stages, columns are tasks, grey is not measured."""
    shown = report.strategies
    columns, panel_size = (min(len(shown), 3), PANEL) if len(shown) <= FEW else (5, SMALL_PANEL)
    rows = math.ceil(len(shown) / columns)
    norm, colours = scale(report), colormaps["cividis"].with_extremes(bad="#e6e6e6")
    with rc_context(STYLE):
        figure = Figure(figsize=(columns * panel_size + 0.9, rows * panel_size + 0.35), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for panel, strategy in zip(axes, shown, strict=False):
            values = _values(strategy.matrix)[1:]  # (stages, tasks)
            extent = (0.5, values.shape[1] + 0.5, values.shape[0] + 0.5, 0.5)
            panel.imshow(values, norm=norm, cmap=colours, interpolation="nearest", extent=extent, aspect="auto")
            panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            panel.yaxis.set_major_locator(MaxNLocator(5, integer=True))
            panel.tick_params(length=2, labelsize=7.5)
            panel.set(xlabel="task", ylabel="after stage")
            panel.set_title(short(strategy.label), weight="bold", size=9)
        finish_matrices(figure, axes, report, rows)
    return figure


def lost_through_the_stream(report: Report) -> Figure | None:
    """Return by how much earlier tasks stand above or below where they were when they were learned, stage by stage.

    Stages at which some of them were not tested are left out.
    """
    curves = [(index, strategy, _since_learned(strategy)) for index, strategy in enumerate(report.strategies)]
    drawn = [(index, strategy, values) for index, strategy, values in curves if np.isfinite(values).any()]
    if not drawn:
        return None
    with rc_context(STYLE):
        figure = Figure(figsize=(6.8, 4.2), layout="constrained")
        axes = figure.subplots()
        for index, strategy, values in drawn:
            _curve(axes, index, strategy, values)
        axes.axhline(0, color=FAINT, linewidth=0.8, zorder=1)
        axes.set(xlabel="stage", ylabel="points since the task was learned")
        axes.grid(visible=True, axis="y")
        axes.set_axisbelow(True)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(loc="outside upper left", ncols=3)
    return figure


def _curve(axes: Axes, index: int, strategy: StrategyReport, values: NDArray[np.float64]) -> None:
    measured = np.isfinite(values).any(axis=1)
    stages, rows, style = np.flatnonzero(measured) + 1, values[measured], line(index)
    low, high = np.nanpercentile(rows, MIDDLE, axis=1)
    for bound in (low, high):
        axes.plot(stages, bound, color=style["color"], linewidth=0.6, alpha=0.7)
    style |= {"marker": "", "linewidth": 1.6, "label": in_legend(short(strategy.label))}
    axes.plot(stages, np.nanmean(rows, axis=1), **style)


def _since_learned(strategy: StrategyReport) -> NDArray[np.float64]:
    """Return R[i, j] − R[j, j] in points for j < i, mean over seeds, NaN elsewhere: (stages, tasks).

    Of each seed those stages count at which all tasks learned so far were tested.
    """
    seeds = np.array([_of_seed(replication.matrix) for replication in strategy.one_a_seed])  # (seeds, stages, tasks)
    mean: NDArray[np.float64] = np.ma.masked_invalid(seeds).mean(axis=0).filled(np.nan)
    return mean


def _of_seed(matrix: Grid) -> NDArray[np.float64]:
    """Return the same of one replication."""
    values = _values(matrix)[1:]
    since = 100 * (values - np.diagonal(values))
    earlier = np.tri(len(values), k=-1, dtype=bool)
    incomplete = (earlier & np.isnan(since)).any(axis=1)  # (stages,)
    since[~earlier] = np.nan
    since[incomplete] = np.nan
    return since


def _values(matrix: Grid) -> NDArray[np.float64]:
    """Return R with NaN where nothing was measured: (1 + stages, tasks)."""
    return np.array(matrix, dtype=float)
