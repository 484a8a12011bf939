"""Scores of single test examples, for the bootstrap that compares two models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.workspace.example_scores import example_scores

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from workbench.statistics import Array


def scores_by_example(path: Path | None, score: float | None) -> pd.Series | None:
    """Return each example's score by its id; None where the file is missing, or where their mean is not ``score``."""
    if path is None or not path.exists():
        return None
    found = example_scores(path)
    return found if score is not None and np.isclose(found.mean(), score, rtol=0, atol=1e-6) else None


def over_replications(pairs: Sequence[tuple[pd.Series | None, pd.Series | None]]) -> tuple[Array, Array] | None:
    """Return each example's share of correct answers in both columns of ``pairs``, two arrays (n,).

    None where an entry is missing, or a pair does not speak of the same examples.
    """
    import pandas as pd

    ours, theirs = [], []
    for one, other in pairs:
        if one is None or other is None or not one.index.equals(other.index):
            return None
        ours.append(one)
        theirs.append(other)
    columns = pd.DataFrame({"ours": pd.concat(ours), "theirs": pd.concat(theirs)})
    means = columns.groupby(level=0).mean()
    return means["ours"].to_numpy(dtype=float), means["theirs"].to_numpy(dtype=float)
