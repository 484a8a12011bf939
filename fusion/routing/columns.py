"""Columns of all adapters' classes, adapter after adapter, as ``numpy.ufunc.reduceat`` sums them up for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def starts(sizes: Sequence[int]) -> NDArray[np.int64]:
    """Return the index at which each adapter's columns begin (adapters,), for the number that each has."""
    return np.cumsum([0, *sizes[:-1]])
