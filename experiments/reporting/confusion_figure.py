"""The figure of a confusion matrix: which label got which answer, as shares of the rows that have the label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib import rc_context
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from adapter_workbench.experiments.reporting.figures import STYLE, colour_scale, short, squares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

NUMBERED = 25  # labels at most whose cells have numbers and names; more are an image
IMAGE = 6.5  # inches


def confusion_figure(labels: Sequence[str], counts: Sequence[Sequence[int]], title: str) -> Figure:
    """Return a heat map with a row for each right label and a column for each answer.

    Colours are shares of a row, 0 to 100 %; the numbers are counts. The row of a label that no text has is hatched.

    Args:
        labels: names of the rows and columns.
        counts: texts with the label of the row that got the answer of the column, (labels, labels).
        title: above it.
    """
    matrix = np.array(counts, dtype=float)
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.full_like(matrix, np.nan), where=totals > 0)
    side = 1.6 + 0.42 * len(labels) if len(labels) <= NUMBERED else IMAGE
    with rc_context(STYLE):
        figure = Figure(figsize=(side + 1.6, side + 0.9), layout="constrained")
        axes = figure.subplots()
        if len(labels) <= NUMBERED:
            _cells(axes, labels, counts, shares)
        else:
            _image(axes, shares)
        axes.set_title(title)
        numbering = "" if len(labels) <= NUMBERED else " (its place among the labels)"
        axes.set_xlabel(f"answer{numbering}")
        axes.set_ylabel(f"right label{numbering}; colours: % of its texts")
        scale = ScalarMappable(Normalize(0, 1), "cividis")
        colour_scale(figure, np.array([axes]), scale, 1).ax.set_title("%", size=8, loc="center")
    return figure


def _cells(axes: Axes, labels: Sequence[str], counts: Sequence[Sequence[int]], shares: np.ndarray) -> None:
    cells = {
        (column, row): None if np.isnan(share) else float(share)
        for row, line in enumerate(shares)
        for column, share in enumerate(line)
    }
    inks = squares(axes, cells, Normalize(0, 1))
    for (column, row), ink in inks.items():
        axes.text(column, row, f"{counts[row][column]:,}", ha="center", va="center", color=ink, size=6.5)
    names = [short(label, 20) for label in labels]
    axes.set_xticks(range(len(labels)), names, rotation=35, ha="right", rotation_mode="anchor", size=7.5)
    axes.set_yticks(range(len(labels)), names, size=7.5)
    axes.set_xlim(-0.5, len(labels) - 0.5)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.tick_params(length=0)
    axes.set_aspect("equal")


def _image(axes: Axes, shares: np.ndarray) -> None:
    last = len(shares) + 0.5
    axes.imshow(shares, cmap="cividis", vmin=0, vmax=1, interpolation="nearest", extent=(0.5, last, last, 0.5))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(8, integer=True))
    axes.tick_params(length=2, labelsize=7.5)
