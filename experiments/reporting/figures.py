"""How every figure looks: colours, markers, style, and pictures as bytes.

No figure is known to matplotlib's global state. :func:`image` gives the same bytes whenever the report is the same.
Colours are safe for the colour-blind (cividis; Okabe & Ito, 2008).
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.collections import PolyCollection
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogFormatter

from adapter_workbench.experiments.reporting.page import DPI

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.cm import ScalarMappable
    from matplotlib.colorbar import Colorbar
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from adapter_workbench.workbench.measures.statistics import Interval

INK, FAINT, HATCHES = "#333333", "#9a9a9a", "#d9d9d9"
LUMINANCE = (0.299, 0.587, 0.114)  # shares of red, green and blue, ITU-R BT.601
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8c6d31")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
STYLE: Any = {  # matplotlib types its keys one by one, which a constant cannot follow
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that the same report gives the same bytes
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a name with a $ in it is a name
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "white",
    "grid.color": "#ececec",
    "grid.linewidth": 0.8,
    "hatch.linewidth": 0.4,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
}
NEAR = 0.015  # of what all points of a figure span: closer markers hide each other
HALO = [withStroke(linewidth=2, foreground="white")]  # of text over lines and marks
NO_WIDTH = "\u200b"  # a character that is not seen

SAVING: Any = {
    "svg.hashsalt": "adapter-workbench",  # else the ids in an SVG are drawn by chance
    "svg.fonttype": "path",  # looks the same where the font is not
    "pdf.fonttype": 42,  # letters that can be searched and edited, which journals ask for
}
UNDATED = {"png": ("Software",), "svg": ("Creator", "Date"), "pdf": ("CreationDate", "Creator", "Producer")}


def look(index: int) -> tuple[str, str]:
    """Return colour and marker of line number ``index``; beyond eight, colours come again with other markers."""
    turn = index // len(COLOURS)
    return COLOURS[index % len(COLOURS)], MARKERS[(index + 3 * turn) % len(MARKERS)]


def line(index: int) -> dict[str, Any]:
    """Return how line number ``index`` is drawn."""
    colour, marker = look(index)
    return {"color": colour, "marker": marker, "markersize": 4, "linewidth": 1.5}


def marks(axes: Axes, points: Sequence[tuple[int, str, tuple[float, float]]]) -> None:
    """Draw a marker for each (place of its look, label, (x, y)), with its entry of the legend.

    Markers that stand on one point are drawn around each other, the first outermost: none hides another.
    """
    scaled = [(math.log10(x) if axes.get_xscale() == "log" else x, y) for _, _, (x, y) in points]
    for (index, label, at), around in zip(points, _around(scaled), strict=True):
        colour, marker = look(index)
        style: dict[str, Any] = {"color": colour, "marker": marker, "linestyle": "none"}
        axes.plot([], [], label=in_legend(short(label)), markersize=7, **style)
        face: dict[str, Any] = {"markerfacecolor": "none", "markeredgewidth": 1.4} if around else {}
        axes.plot([at[0]], [at[1]], markersize=7 + 5 * around, zorder=3, **style, **face)


def _around(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return for each point how many later ones stand where it does, as far as an eye can tell."""
    spans = [max(values) - min(values) or 1.0 for values in zip(*points, strict=True)]

    def near(first: tuple[float, float], second: tuple[float, float]) -> bool:
        return all(abs(x - y) <= NEAR * span for x, y, span in zip(first, second, spans, strict=True))

    return [sum(near(point, later) for later in points[index + 1 :]) for index, point in enumerate(points)]


def squares(axes: Axes, values: Mapping[tuple[int, int], float | None], norm: Normalize) -> dict[tuple[int, int], str]:
    """Draw the cells of a heat map, hatched where they have no value, and return the colour of a text on the others.

    Args:
        axes: whose unit is a cell.
        values: (column, row) of a cell's centre → its value.
        norm: the scale of all values.

    Returns:
        Black or white for each cell that has a value, so that it can be read there.
    """
    filled = {cell: value for cell, value in values.items() if value is not None}
    empty = [_corners(cell) for cell in values if cell not in filled]
    colours = colormaps["cividis"](norm(np.array([*filled.values()], dtype=float)))  # (cells, 4), in [0, 1]
    hatched: dict[str, Any] = {"facecolor": "none", "hatch": "////", "edgecolor": HATCHES, "linewidth": 0}
    coloured: dict[str, Any] = {"facecolor": colours, "edgecolor": "white", "linewidth": 1}
    axes.add_collection(PolyCollection(empty, **hatched), autolim=False)
    axes.add_collection(PolyCollection([_corners(cell) for cell in filled], **coloured), autolim=False)
    light = colours[:, :3] @ LUMINANCE > 0.5
    return {cell: "black" if bright else "white" for cell, bright in zip(filled, light, strict=True)}


def _corners(cell: tuple[int, int]) -> list[tuple[float, float]]:
    """Return the corners of a square around (column, row)."""
    column, row = cell
    return [(column + x, row + y) for x, y in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))]


def in_words(axis: Axis, words: Callable[[float], str]) -> None:
    """Label the numbers of an axis by ``words``; on a logarithmic one also between powers of ten, where there are few.

    matplotlib's own labels between them are formulas, which :data:`STYLE` does not read.
    """
    axis.set_major_formatter(FuncFormatter(lambda number, _: words(number)))
    if axis.get_scale() == "log":
        axis.set_minor_formatter(_Between(words))


class _Between(LogFormatter):
    """Labels in words where matplotlib would label a mark between two powers of ten."""

    def __init__(self, words: Callable[[float], str]) -> None:
        super().__init__()
        self._words = words

    def __call__(self, x: float, pos: int | None = None) -> str:
        return self._words(x) if super().__call__(x, pos) else ""


def colour_scale(figure: Figure, axes: NDArray[Any], mapped: ScalarMappable, rows: int) -> Colorbar:
    """Put the colour scale of shares beside all ``axes``, which stand in so many rows: in percent, without a frame."""
    bar = figure.colorbar(mapped, ax=axes, shrink=0.6 / rows**0.5, aspect=22, pad=0.02)
    bar.outline.set_visible(False)
    in_words(bar.ax.yaxis, lambda share: f"{100 * share:.0f}")
    bar.ax.tick_params(length=0, labelsize=7.5)
    return bar


def image(figure: Figure, form: str = "png", dpi: float = DPI) -> bytes:
    """Return the figure as PNG (``dpi`` dots an inch), SVG or PDF, without date or version in it."""
    buffer = io.BytesIO()
    with rc_context(SAVING):
        figure.savefig(buffer, format=form, dpi=dpi, metadata=dict.fromkeys(UNDATED[form]))
    return buffer.getvalue()


def half_width(value: Interval) -> float | None:
    """Return half of an interval of shares in points, None where it has no bounds."""
    return None if value.low is None or value.high is None else 50 * (value.high - value.low)


def in_legend(name: str) -> str:
    """Return what stands for ``name`` in a legend, which leaves out whatever begins with ``_``."""
    return f"{NO_WIDTH}{name}" if name.startswith("_") else name


def short(name: str, width: int = 28) -> str:
    """Return ``name`` in at most ``width`` characters; what is left out is left out of its middle."""
    return name if len(name) <= width else f"{name[: width // 2]}…{name[-(width - width // 2 - 1) :]}"
