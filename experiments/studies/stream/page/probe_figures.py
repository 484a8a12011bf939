"""Probes layer by layer: one panel a probe, one line a strategy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from adapter_workbench.experiments.reporting.figures import FAINT, STYLE, line, short
from adapter_workbench.experiments.studies.stream.results.probe_summaries import PANELS, profiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from adapter_workbench.experiments.studies.stream.results.report import Report
    from adapter_workbench.workbench.measures.statistics import Interval


def probes_by_layer(report: Report) -> Figure | None:
    """Return the panels that were measured, the range of the replications shaded; None where none was."""
    measured = [(panel, lines) for panel in PANELS if (lines := profiles(report, panel))]
    if not measured:
        return None
    columns = min(len(measured), 2)
    rows = math.ceil(len(measured) / columns)
    indices = {strategy.label: index for index, strategy in enumerate(report.strategies)}
    legend = 0.22 * math.ceil(len(indices) / 3)
    with rc_context(STYLE):
        figure = Figure(figsize=(4.2 * columns + 0.4, 2.5 * rows + 0.5 + legend), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, (panel, lines) in zip(grid, measured, strict=False):
            for label, profile in lines.items():
                _profile(axes, profile, indices[label])
            if axes.get_ylim()[0] <= 0:
                axes.axhline(0, color=FAINT, linewidth=0.8, zorder=0)
            axes.set_title(panel.title, weight="bold", size=9)
            axes.grid(visible=True, axis="y")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_axisbelow(True)
        for axes in grid[len(measured) :]:
            axes.set_axis_off()
        figure.supxlabel("layer (0: the embeddings)", size=8.5)
        drawn = {label for _, lines in measured for label in lines}
        handles = [
            Line2D([], [], label=short(label), **line(index)) for label, index in indices.items() if label in drawn
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=3)
    return figure


def _profile(axes: Axes, profile: Mapping[int, Interval], index: int) -> None:
    style = line(index)
    measured = {layer: [value for value in interval.values if value is not None] for layer, interval in profile.items()}
    bounds = {layer: (min(values), max(values)) for layer, values in measured.items() if len(values) > 1}
    if bounds:
        low, high = zip(*bounds.values(), strict=True)
        axes.fill_between([*bounds], low, high, color=style["color"], alpha=0.15, linewidth=0)
    axes.plot([*profile], [interval.mean for interval in profile.values() if interval.mean is not None], **style)
