"""What the figures of a stream show, and what they leave out."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from adapter_workbench.experiments.reporting.wording import PERCENT
from adapter_workbench.experiments.studies.stream.page.figures import cross, learned_over_lost
from adapter_workbench.workbench.measures.statistics import Interval


def spread(mean: float, half: float, *values: float) -> Interval:
    return Interval(mean, mean - half, mean + half, values)


@pytest.mark.parametrize(
    ("interval", "low", "high"),
    [
        (spread(0.81, 0.79, 0.75, 0.87), 63, 99),  # two seeds, 2 to 160 %
        (spread(0.81, 0.79, 0.63, 0.99), 27, 102),  # no score is above 100
        (spread(0.90, 0.02, 0.89, 0.91), 87, 93),  # all of it, and a margin
        (spread(-0.30, 0.05, -0.32, -0.28), -36.5, -23.5),  # a regression's R²
        (spread(0.50, 0.40, 0.50), 48, 52),  # one value has no range
    ],
)
def test_no_interval_presses_the_points_together(interval: Interval, low: float, high: float) -> None:
    axes = Figure().subplots()
    metrics = dict.fromkeys(("forgetting", "learning_accuracy"), interval)
    cross(axes, metrics, "black", width=1)

    learned_over_lost(axes, [metrics], PERCENT)

    values = [100 * value for value in interval.values if value is not None]
    for start, end in (axes.get_ylim(), axes.get_xlim()):
        assert low <= start < min(values)
        assert max(values) < end <= high


def test_no_interval_makes_room_where_no_accuracy_is() -> None:
    axes = Figure().subplots()
    metrics = {"forgetting": spread(0.0, 2.0, -0.9, 0.9), "learning_accuracy": spread(0.2, 0.6, 0.05, 0.35)}
    cross(axes, metrics, "black", width=1)
    learned_over_lost(axes, [metrics], PERCENT)
    assert (axes.get_xlim(), axes.get_ylim()[0]) == ((-102, 102), -2)


def test_each_replication_is_a_dot() -> None:
    axes = Figure().subplots()
    lost, learned = Interval(0.2, 0.1, 0.3, (0.1, None, 0.3)), Interval(0.8, 0.7, 0.9, (0.7, 0.8, 0.9))
    cross(axes, {"forgetting": lost, "learning_accuracy": learned}, "black", width=1)
    (dots,) = [dots for dots in axes.collections if len(dots.get_offsets()) == 2 and dots.get_sizes().size]
    assert [[round(float(x)), round(float(y))] for x, y in dots.get_offsets()] == [[10, 70], [30, 90]]
