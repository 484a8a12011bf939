"""Families of comparisons that are read at looks, and stop where they are decided: at most 5 % have a false verdict."""

from __future__ import annotations

import numpy as np
import pytest

from adapter_workbench.workbench.measures.declared_tests import paired_moments, pooled_moments
from adapter_workbench.workbench.measures.estimate import Moments
from adapter_workbench.workbench.measures.looks import LEVELS, LOOKS
from adapter_workbench.workbench.measures.statistics import Array

NUMBER, MARGIN = 4000, 2.0


def holm_rows(p: Array) -> Array:
    """Return p (N, m), each row adjusted after Holm (1979)."""
    order = np.argsort(p, axis=-1)
    steps = np.arange(p.shape[-1], 0, -1) * np.take_along_axis(p, order, -1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(np.maximum.accumulate(steps, -1), 1.0), -1)
    return adjusted


def moments_at(test: str, table: Array, seeds: int) -> Moments:
    """Return difference, error and degrees of freedom (N, m) of all rows but the first, with so many seeds."""
    seen = table[..., :seeds]
    if test == "pooled":
        return Moments(*(np.broadcast_to(part, seen.shape[:-1])[:, 1:] for part in pooled_moments(seen)[0]))
    return Moments(*(np.asarray(part) for part in paired_moments(seen[:, 1:] - seen[:, :1])))


def decided(test: str, table: Array) -> tuple[Array, Array]:
    """Return which rows (N, m) are ever called different, and which equal; what has stopped keeps its p."""
    shape = (len(table), table.shape[1] - 1)
    different, equal = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    p, p_equal = np.ones(shape), np.ones(shape)
    for seeds in LOOKS:
        going, moments = ~(different | equal), moments_at(test, table, seeds)
        p, p_equal = np.where(going, moments.differs(), p), np.where(going, moments.equals(MARGIN), p_equal)
        now = going & (holm_rows(p) < LEVELS[seeds])
        different |= now
        equal |= going & ~now & (holm_rows(p_equal) < LEVELS[seeds])
    return different, equal


@pytest.mark.parametrize("test", ["paired", "pooled"])
@pytest.mark.parametrize("rows", [2, 12])
def test_a_family_errs_in_no_more_than_five_percent(test: str, rows: int) -> None:
    table = np.random.default_rng(7).normal(size=(NUMBER, rows, max(LOOKS)))
    different, equal = decided(test, table)
    assert different.any(1).mean() <= 0.055, "none differs"
    assert equal.mean() > 0.5, "and most are called equal"
    table[:, 1:] += MARGIN
    assert decided(test, table)[1].any(1).mean() <= 0.055, "all differ by the margin"
