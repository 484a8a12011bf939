"""The figure of a comparison of methods: what a score costs in trained parameters and in memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from adapter_workbench.experiments.reporting.figures import FAINT, HALO, INK, STYLE, half_width, in_words, look, short
from adapter_workbench.experiments.reporting.wording import count, megabytes, unit
from adapter_workbench.experiments.studies.methods.report import PARAMETERS, SCORE, STEP_MEMORY, TEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

    from adapter_workbench.experiments.studies.methods.report import ComparisonReport, MethodRow

LARGEST, SMALLEST = 620.0, 22.0  # areas of marks, in square points
NARROWEST = 3.0  # the last number of trained parameters on the axis over the first
ANGLES = [math.pi * part / 8 for part in (1, 7, 15, 9, 4, 12, 0, 8, 2, 6, 14, 10)]  # where a name may stand, best first
Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels


def score_by_parameters(report: ComparisonReport, rows: Sequence[MethodRow]) -> Figure:
    """Return test score over trained parameters (log); a mark's area is the memory of a training step.

    Bars are 95 % intervals over seeds. Marks without a measured memory are as small as they can be.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(7.2, 4.6), layout="constrained")
        axes = figure.subplots()
        axes.set_xscale("log")
        _widen(axes, [PARAMETERS.number(row) or 1 for row in rows])
        most = max((_memory(row) for row in rows), default=0.0)
        for index, row in enumerate(rows):
            _mark(axes, row, index, most)
        axes.margins(x=0.14, y=0.16)
        mean = " (mean over tasks)" if len(report.record.tasks) > 1 else ""
        scale = unit(report.record.kinds).axis
        axes.set(xlabel="trained parameters, head included", ylabel=f"test score {scale}{mean}")
        in_words(axes.xaxis, lambda number: count(number).replace(".0 ", " "))
        axes.grid(visible=True)
        axes.set_axisbelow(True)
        if most:
            sizes = [_size(mb, most) for mb in _round_sizes(most)]
            handles = [
                Line2D([], [], linestyle="none", marker="o", color=FAINT, markersize=size**0.5, label=megabytes(mb))
                for mb, size in zip(_round_sizes(most), sizes, strict=True)
            ]
            title = "memory of a training step"
            legend: dict[str, Any] = {"loc": "outside upper right", "ncols": 3, "frameon": False, "fontsize": 8}
            legend |= {"borderpad": 1.2, "columnspacing": 3.0, "handletextpad": 1.4}
            figure.legend(handles=handles, title=title, title_fontsize=8, labelspacing=1.2, **legend)
        figure.draw_without_rendering()  # names are placed by where the marks stand on the page
        _names(axes, rows, most)
    return figure


def _widen(axes: Axes, parameters: Sequence[float]) -> None:
    """Let an axis of like numbers span NARROWEST; before marks are drawn, as nothing is on an axis without a width."""
    low, high = min(parameters, default=1), max(parameters, default=1)
    if high < 2 * low:
        middle = math.sqrt(low * high)
        axes.set_xlim(middle / NARROWEST**0.5, middle * NARROWEST**0.5)


def _mark(axes: Axes, row: MethodRow, index: int, most: float) -> None:
    colour, marker = look(index)
    at = (PARAMETERS.number(row) or 1, 100 * (SCORE.number(row) or 0.0))
    axes.errorbar(
        *at,
        yerr=half_width(row.over(TEST.number)),
        color=colour,
        capsize=3,
        linewidth=1.1,
        alpha=0.8,
        fmt="none",
    )
    size = _size(_memory(row), most)
    axes.scatter(*at, s=size, color=colour, marker=marker, alpha=0.75, edgecolor="white", linewidth=0.6, zorder=3)


def _names(axes: Axes, rows: Sequence[MethodRow], most: float) -> None:
    """Write each name beside its mark, where it covers neither a mark nor another name, as far as there is room."""
    points = [axes.transData.transform((PARAMETERS.number(row) or 1, 100 * (SCORE.number(row) or 0.0))) for row in rows]
    scale = axes.figure.dpi / 72  # pixels a point
    radii = [scale * (_size(_memory(row), most) / math.pi) ** 0.5 for row in rows]
    taken: list[Box] = [
        (x - radius, y - radius, x + radius, y + radius) for (x, y), radius in zip(points, radii, strict=True)
    ]
    for index, (row, (x, y), radius) in enumerate(zip(rows, points, radii, strict=True)):
        name = short(row.label, 24)
        width, height = scale * 5.2 * len(name), scale * 9
        boxes = [
            _box(x, y, (radius + gap * scale), angle, width, height) for gap in (3, 14, 26, 40) for angle in ANGLES
        ]
        inside = [box for box in boxes if _inside(box, axes.bbox)] or boxes
        best = min(inside, key=lambda box: sum(_overlap(box, other) for other in taken))
        taken.append(best)
        centre = ((best[0] + best[2]) / 2, (best[1] + best[3]) / 2)
        offset = ((centre[0] - x) / scale, (centre[1] - y) / scale)
        far = math.dist(centre, (x, y)) > radius + width / 2 + 8 * scale
        line = {"arrowstyle": "-", "color": FAINT, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0} if far else None
        text: dict[str, Any] = {"size": 8, "color": INK, "ha": "center", "va": "center", "path_effects": HALO}
        at = (PARAMETERS.number(row) or 1, 100 * (SCORE.number(row) or 0.0))
        axes.annotate(name, at, offset, textcoords="offset points", zorder=5 + index, arrowprops=line, **text)


def _box(x: float, y: float, distance: float, angle: float, width: float, height: float) -> Box:
    """Return the box of a name whose nearest edge is ``distance`` away from the mark at (x, y)."""
    centre = (
        x + math.cos(angle) * (distance + width / 2),
        y + math.sin(angle) * (distance + height / 2),
    )
    return (centre[0] - width / 2, centre[1] - height / 2, centre[0] + width / 2, centre[1] + height / 2)


def _overlap(first: Box, second: Box) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return max(width, 0.0) * max(height, 0.0)


def _inside(box: Box, frame: Bbox) -> bool:
    return bool(box[0] >= frame.x0 and box[2] <= frame.x1 and box[1] >= frame.y0 and box[3] <= frame.y1)


def _memory(row: MethodRow) -> float:
    return max(STEP_MEMORY.number(row) or 0.0, 0.0)


def _size(megabytes_: float, most: float) -> float:
    return SMALLEST + (LARGEST - SMALLEST) * (megabytes_ / most if most else 0.0)


def _round_sizes(most: float) -> list[float]:
    """Return three round sizes up to ``most``: about all of it, a third, a tenth."""
    step = 10 ** math.floor(math.log10(most))
    top = math.floor(most / step) * step
    return [top, top / 3 if top % 3 == 0 else top / 4, top / 10][::-1]
