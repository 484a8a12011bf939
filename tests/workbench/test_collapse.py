"""Seeds that collapsed: found where they lie far below the others, and not where a row is merely wide."""

from __future__ import annotations

import numpy as np
import pytest

from adapter_workbench.workbench.measures.collapse import collapsed, collapsed_seeds, may_collapse


@pytest.mark.parametrize(
    ("values", "seeds"),
    [
        ([0.779, 0.745, 0.495, 0.727, 0.689], (2,)),  # sequential-lora of docs/results/20news-10.json
        ([0.779, 0.745, 0.495, 0.60, 0.689], ()),  # the others are not near each other
        ([0.80, 0.81, 0.80, 0.50, 0.48], (3, 4)),
        ([0.80, 0.81, 0.76], ()),  # less than 5 points
        ([0.80, 0.81, 0.74], (2,)),
        ([0.50, 0.80, None, 0.81], (0,)),
        ([0.80, 0.50], ()),  # of two nobody knows which
        ([0.80, 0.81, 0.50, 0.48], ()),  # nor where half of them are low
        ([0.7] * 5, ()),
    ],
)
def test_a_seed_that_collapsed_is_found(values: list[float | None], seeds: tuple[int, ...]) -> None:
    assert collapsed_seeds(values, range(len(values))) == seeds


def test_tables_are_asked_row_by_row() -> None:
    table = np.array([[0.8, 0.81, 0.4], [0.8, 0.79, 0.78]])
    assert collapsed(table).tolist() == [[False, False, True], [False, False, False]]


def test_none_of_five_leaves_almost_half() -> None:
    assert may_collapse(5) == pytest.approx(0.451, abs=0.001)
    assert (1 - may_collapse(8)) ** 8 == pytest.approx(0.05)
