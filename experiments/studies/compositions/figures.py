"""Figures of a comparison: gains with their intervals, scores against K, and what weighed how much."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from adapter_workbench.experiments.reporting.differences import tested_over
from adapter_workbench.experiments.reporting.figures import COLOURS, FAINT, STYLE, in_legend, look, short
from adapter_workbench.experiments.studies.compositions.record import CONTROLS
from adapter_workbench.experiments.studies.core.compare import compared_in_words

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.compositions.report import FusionReport, Row

SIDES = {"higher": COLOURS[2], "lower": COLOURS[1]}


def gains(report: FusionReport) -> Figure:
    """Return a dot with its 95 % interval for each entry's difference from what it is compared with."""
    shown = [row for row in report.rows if row.against and row.scores[report.overall].gain]
    shown.sort(key=lambda row: _gain(row, report.overall)[0])
    with rc_context(STYLE):
        figure = Figure(figsize=(7.2, 1.2 + 0.21 * len(shown)), layout="constrained")
        axes = figure.subplots()
        for height, row in enumerate(shown):
            mean, low, high, side = _gain(row, report.overall)
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
        key=lambda row: -(row.scores[report.overall].score or 0),
    )
    rivals = (*CONTROLS, "mixed")
    plain = [row for row in report.rows if row.role in (*rivals, "average", "pick")]
    with rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.8), layout="constrained")
        axes = figure.subplots()
        for index, row in enumerate([*plain, *ranked[:3]]):
            style = "--" if row.role in rivals else "-"
            scores = 100 * np.array([row.scores[key].score for key in keys], dtype=float)  # NaN for None
            colour, marker = look(index)
            label = in_legend(row.label)
            axes.plot(range(len(keys)), scores, style, color=colour, marker=marker, markersize=5, label=label)
        axes.set_xticks(range(len(keys)), keys)
        axes.set_xlabel("labelled examples of the target (K)")
        axes.set_ylabel("test score, percent")
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _gain(row: Row, key: str) -> tuple[float, float, float, str]:
    gain = row.scores[key].gain
    shown = gain.shown if gain else None
    mean = 100 * shown.mean if shown and shown.mean is not None else 0.0
    if gain is None or shown is None or shown.low is None or shown.high is None:
        return mean, mean, mean, ""
    return mean, 100 * shown.low, 100 * shown.high, gain.reading
