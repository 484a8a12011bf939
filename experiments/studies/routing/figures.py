"""The figure of a comparison of routers: which tasks are taken for which."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from adapter_workbench.experiments.reporting.figures import STYLE, colour_scale, short
from adapter_workbench.experiments.reporting.wording import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from adapter_workbench.experiments.studies.routing.report import RoutedRow

PANEL = 2.6  # inches
BRIGHT = 0.6  # share from which cividis is so bright that black is read better on it


def confusions(rows: Sequence[RoutedRow], tasks: Sequence[str]) -> Figure:
    """Return a heat map for each row: the share of each task's texts (rows) that were taken for each task, in percent.

    Mean over seeds, one colour scale from 0 to 100 %.
    """
    across = min(len(rows), 3 if len(tasks) <= 5 else 2)
    down = math.ceil(len(rows) / across)
    width, height = 0.7 + 0.46 * len(tasks), 0.45 + 0.3 * len(tasks)
    with rc_context(STYLE):
        figure = Figure(figsize=(max(across * width, 4.0) + 1.4, down * height + 0.9), layout="constrained")
        axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
        for panel, row in zip(axes.ravel(), rows, strict=False):
            _heat_map(panel, row)
        for panel in axes.ravel()[len(rows) :]:
            panel.set_axis_off()
        names = [short(task, 20) for task in tasks]
        for panel in axes[:, 0]:
            panel.set_yticks(range(len(tasks)), names, size=7.5)
        for panel in axes.ravel()[max(len(rows) - across, 0) : len(rows)]:  # the lowest of each column
            panel.set_xticks(range(len(tasks)), names, rotation=35, ha="right", rotation_mode="anchor", size=7.5)
            panel.tick_params(labelbottom=True)
        figure.supxlabel("taken for", size=9)
        figure.supylabel("true task", size=9)
    return figure


def confusions_as_images(rows: Sequence[RoutedRow]) -> Figure:
    """Return the same for many tasks: images without numbers, whose size does not grow with the tasks."""
    across = min(len(rows), 3)
    down = math.ceil(len(rows) / across)
    with rc_context(STYLE):
        figure = Figure(figsize=(across * PANEL + 0.9, down * PANEL + 0.35), layout="constrained")
        axes = figure.subplots(down, across, squeeze=False).ravel()
        for panel, row in zip(axes, rows, strict=False):
            last = len(row.confusion) + 0.5
            extent = (0.5, last, last, 0.5)
            shown = panel.imshow(row.confusion, cmap="cividis", vmin=0, vmax=1, interpolation="nearest", extent=extent)
            for axis in (panel.xaxis, panel.yaxis):
                axis.set_major_locator(MaxNLocator(5, integer=True))
            panel.tick_params(length=2, labelsize=7.5)
            panel.set_title(short(row.label), weight="bold", size=9)
        for panel in axes[len(rows) :]:
            panel.set_axis_off()
        colour_scale(figure, axes, shown, down)
        figure.supxlabel("taken for", size=9)
        figure.supylabel("true task", size=9)
    return figure


def _heat_map(axes: Axes, row: RoutedRow) -> None:
    axes.imshow(row.confusion, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for task, shares in enumerate(row.confusion):
        for taken, share in enumerate(shares):
            ink = "black" if share > BRIGHT else "white"
            axes.text(taken, task, number(share), ha="center", va="center", color=ink, size=6.5)
    axes.tick_params(length=0)
    axes.set_title(short(row.label, 34), weight="bold")
