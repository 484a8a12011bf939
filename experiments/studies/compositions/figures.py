"""Figures of a comparison of compositions: gains, scores against K, what was known of the sources, what they weigh.

Every function returns a figure, which :func:`adapter_workbench.experiments.reporting.figures.image` turns into bytes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from adapter_workbench.experiments.reporting.differences import tested_over
from adapter_workbench.experiments.reporting.figures import COLOURS, FAINT, STYLE, in_legend, look, short, squares
from adapter_workbench.experiments.reporting.wording import decimal
from adapter_workbench.experiments.studies.compositions.record import CONTROLS
from adapter_workbench.experiments.studies.core.compare import compared_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from adapter_workbench.experiments.studies.compositions.report import FusionReport, FusionRow

SIDES = {"higher": COLOURS[2], "lower": COLOURS[1]}


def gains(report: FusionReport) -> Figure:
    """Return a dot with its 95 % interval for each entry's difference from what it is compared with."""
    shown = [row for row in report.rows if row.difference]
    shown.sort(key=lambda row: _gain(row)[0])
    with rc_context(STYLE):
        figure = Figure(figsize=(7.2, 1.2 + 0.21 * len(shown)), layout="constrained")
        axes = figure.subplots()
        for height, row in enumerate(shown):
            mean, low, high, side = _gain(row)
            colour = SIDES.get(side, FAINT)
            axes.plot([low, high], [height, height], color=colour, linewidth=1.4, solid_capstyle="butt")
            axes.plot(mean, height, marker="D" if row.role == "pick" else "o", color=colour, markersize=4.5)
        axes.axvline(0, color=FAINT, linewidth=0.8)
        axes.set_yticks(range(len(shown)), [short(row.label, 40) for row in shown])
        axes.tick_params(axis="y", length=0, labelsize=8)
        axes.set_ylim(-0.7, len(shown) - 0.3)
        over = tested_over(report.declared.values())
        above = compared_in_words(report.record.reference, report.controls)
        axes.set_xlabel(f"points above {above}, 95 % interval over {over}")
    return figure


def scores_by_shots(report: FusionReport) -> Figure:
    """Return score against K: the plain alternatives, what validation picks, and the best compositions."""
    record = report.record
    keys = [str(shots) for shots in record.shots]
    ranked = sorted(
        (row for row in report.rows if row.role == "composition"),
        key=lambda row: -(row.score(report.overall) or 0),
    )
    rivals = (*CONTROLS, "mixed")
    plain = [row for row in report.rows if row.role in (*rivals, "average", "pick")]
    with rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.8), layout="constrained")
        axes = figure.subplots()
        for index, row in enumerate([*plain, *ranked[:3]]):
            style = "--" if row.role in rivals else "-"
            scores = 100 * np.array([row.score(key) for key in keys], dtype=float)  # NaN for None
            colour, marker = look(index)
            label = in_legend(row.label)
            axes.plot(range(len(keys)), scores, style, color=colour, marker=marker, markersize=5, label=label)
        axes.set_xticks(range(len(keys)), keys)
        axes.set_xlabel("labelled examples of the target (K)")
        axes.set_ylabel("test score, percent")
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _gain(row: FusionRow) -> tuple[float, float, float, str]:
    gain = row.difference
    shown = gain.shown if gain else None
    mean = 100 * shown.mean if shown and shown.mean is not None else 0.0
    if gain is None or shown is None or shown.low is None or shown.high is None:
        return mean, mean, mean, ""
    return mean, 100 * shown.low, 100 * shown.high, gain.reading


TITLES = {
    "cosine": "cosine of ΔW",
    "sign_conflict": "sign conflict",
    "left_overlap": "overlap of what they write",
    "right_overlap": "overlap of what they read",
    "interference": "singular task interference",
}
LEVEL = 0.05
COLUMNS = 3
RANGES_FIT = 6  # sources up to which a cell has room for the range of chance
SPAN = 0.1  # the least that a colour scale covers


def diagnostics_map(document: Mapping[str, Any]) -> Figure | None:
    """Return one triangle of pairs for each statistic of ``Diagnostics.as_json()``; None for fewer than two sources.

    A star marks a value beyond chance (p ≤ 5 %, two-sided, each pair by itself); below it stands the 95 % range of
    chance.
    """
    names = [source["name"] for source in document["sources"]]
    if len(names) < 2:
        return None
    statistics = document["pairs"]
    rows = math.ceil(len(statistics) / COLUMNS)
    cell = 0.8 if len(names) <= RANGES_FIT else 0.42
    side = max(cell * (len(names) - 1), 1.3)
    with rc_context(STYLE):
        figure = Figure(figsize=(COLUMNS * (side + 1.5), rows * (side + 1.2) + 0.3), layout="constrained")
        grid = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
        for axes, (name, matrices) in zip(grid, statistics.items(), strict=False):
            _triangle(axes, names, matrices)
            axes.set_title(TITLES[name], weight="bold", size=9)
        for axes in grid[len(statistics) :]:
            axes.set_axis_off()
        note = f"* beyond chance (p ≤ {100 * LEVEL:.0f} % of {document['permutations']} permutations)"
        below = "; below: the 95 % range of chance" if len(names) <= RANGES_FIT else ""
        figure.supxlabel(f"{note}{below}; hatched: not defined", size=8)
    return figure


def _triangle(axes: Axes, names: Sequence[str], matrices: Mapping[str, Any]) -> None:
    """Draw what lies below the diagonal: rows are sources 2 … n, columns 1 … n − 1."""
    n = len(names)
    pairs = [(i, j) for i in range(1, n) for j in range(i)]
    norm = _spread([matrices["value"][i][j] for i, j in pairs])
    inks = squares(axes, {(j, i - 1): matrices["value"][i][j] for i, j in pairs}, norm)
    for (j, row), ink in inks.items():
        value, p, low, high = (matrices[part][row + 1][j] for part in ("value", "p", "low", "high"))
        text = decimal(value, 2) + ("*" if p is not None and p <= LEVEL else "")
        style: dict[str, Any] = {"ha": "center", "va": "center", "color": ink}
        if low is None or n > RANGES_FIT:
            axes.text(j, row, text, size=8, **style)
            continue
        axes.text(j, row - 0.1, text, size=8, **style)
        axes.text(j, row + 0.25, f"{decimal(low, 2)} … {decimal(high, 2)}", size=5, **style)
    _frame(axes, [short(name, 20) for name in names[:-1]], [short(name, 20) for name in names[1:]])


def _frame(axes: Axes, columns: Sequence[str], rows: Sequence[str]) -> None:
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5), aspect="auto")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(axis="x", rotation=35)
    for label in axes.get_xticklabels():
        label.set(ha="right", rotation_mode="anchor")
    axes.tick_params(length=0, labelsize=7.5)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _spread(values: Sequence[float | None]) -> Normalize:
    """Return a scale from 0 (or less) to the largest value, at least ``SPAN`` wide: small differences stay small."""
    numbers = [value for value in values if value is not None] or [0.0]
    low = min(0.0, *numbers)
    return Normalize(low, max(low + SPAN, *numbers))


def weight_bars(weights: Mapping[str, float]) -> Figure:
    """Return one bar for each source, in the order given; what is taken away has another colour than what is added."""
    names, values = list(weights), list(weights.values())
    with rc_context(STYLE):
        figure = Figure(figsize=(5.6, 0.9 + 0.32 * len(names)), layout="constrained")
        axes = figure.subplots()
        colours = [COLOURS[0] if value >= 0 else COLOURS[1] for value in values]
        bars = axes.barh(range(len(names)), values, color=colours, height=0.7)
        axes.bar_label(bars, [decimal(value, 3) for value in values], padding=3, fontsize=8)
        axes.set_yticks(range(len(names)), [short(name) for name in names])
        axes.invert_yaxis()
        axes.axvline(0, color=FAINT, linewidth=0.8)
        axes.margins(x=0.15)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("weight")
    return figure


def attention_map(details: Mapping[str, Sequence[float]], sources: Sequence[str]) -> Figure:
    """Return a heat map of what each layer (or module) gives each source.

    Args:
        details: name of a layer → one number for each source.
        sources: their names.

    Raises:
        ValueError: a layer has another number of sources.
    """
    layers = list(details)
    norm = _spread([value for row in details.values() for value in row])
    with rc_context(STYLE):
        size = (2.6 + max(0.6 * len(sources), 1.2), 1.5 + 0.3 * len(layers))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        values = {
            (column, row): value
            for row, layer in enumerate(details.values())
            for column, (value, _) in enumerate(zip(layer, sources, strict=True))
        }
        for (column, row), ink in squares(axes, values, norm).items():
            axes.text(column, row, decimal(values[column, row], 2), ha="center", va="center", color=ink, size=8)
        _frame(axes, [short(name, 20) for name in sources], [short(layer) for layer in layers])
        bar = figure.colorbar(ScalarMappable(norm, "cividis"), ax=axes, aspect=22, pad=0.02)
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0, labelsize=7.5)
    return figure
