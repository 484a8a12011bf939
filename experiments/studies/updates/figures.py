"""The figure of a comparison of ways of updating: the score of each version, one line an entry."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from adapter_workbench.experiments.reporting.figures import STYLE, half_width, in_legend, line, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from adapter_workbench.experiments.studies.updates.report import UpdatesRow

ACROSS = 3  # panels
PANEL = (2.9, 2.6)  # inches
NAME = 1.7  # inches that a name takes in the legend


def scores_by_version(rows: Sequence[UpdatesRow], tasks: Sequence[str], versions: int) -> Figure:
    """Return a panel for each task: score on all test rows of a version over the versions, one line an entry.

    Bars are 95 % intervals over seeds. Entries stand a little beside each other, so that no bar hides another.
    """
    across = min(len(tasks), ACROSS)
    down = math.ceil(len(tasks) / across)
    with rc_context(STYLE):
        width = max(across * PANEL[0], 4.2)
        figure = Figure(figsize=(width, down * PANEL[1] + 0.8), layout="constrained")
        panels = figure.subplots(down, across, squeeze=False).ravel()
        for panel, task in zip(panels, tasks, strict=False):
            _panel(panel, rows, task, versions)
        for panel in panels[len(tasks) :]:
            panel.set_axis_off()
        panels[0].set_ylabel("test score, %")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(rows), int(width / NAME)))
    return figure


def _panel(axes: Axes, rows: Sequence[UpdatesRow], task: str, versions: int) -> None:
    for index, row in enumerate(rows):
        beside = 0.025 * (index - (len(rows) - 1) / 2)
        scores = ((number, row.at_version(task, number)) for number in range(1, versions + 1))
        known = [(number, value) for number, value in scores if value.mean is not None]
        at = [number + beside for number, _ in known]
        means = [100 * (value.mean or 0.0) for _, value in known]
        axes.plot(at, means, label=in_legend(short(row.label)), **line(index))
        bars = [half_width(value) or 0.0 for _, value in known]
        axes.errorbar(at, means, yerr=bars, fmt="none", ecolor=line(index)["color"], elinewidth=0.8, alpha=0.6)
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -2.0), min(high, 102.0))  # an interval over few seeds may reach beyond all scores
    axes.set_title(short(task))
    axes.set_xlabel("version")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, axis="y")
    axes.set_axisbelow(True)
