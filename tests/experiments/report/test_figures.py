"""What the figures of a stream show, and what they leave out."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from experiments.report.figures import learned_over_lost


@pytest.mark.parametrize(
    ("learned", "half", "low", "high"),
    [
        (81.0, 79.0, -2, 102),  # 2 to 160
        (20.0, 60.0, -2, 102),
        (90.0, 2.0, 87, 93),
        (-30.0, 5.0, -32, -23),  # a regression's R²
    ],
)
def test_no_interval_makes_room_where_no_accuracy_is(learned: float, half: float, low: float, high: float) -> None:
    axes = Figure().subplots()
    axes.errorbar(10, learned, yerr=half)

    learned_over_lost(axes, [learned])

    bottom, top = axes.get_ylim()
    assert low <= bottom < learned < top <= high
