"""Per-example outcomes after the last stage, for the bootstrap that compares two strategies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from experiments.record import Record
    from experiments.report.document import SeedReport
    from workbench.forgetting import Array


def paired_outcomes(
    record: Record, label: str, against: str, pairs: Sequence[tuple[SeedReport, SeedReport]]
) -> tuple[list[Array], list[Array]] | None:
    """Return for each task two arrays (n_j,): each example's share of correct answers over the common seeds.

    None where an outcome file is missing, the two strategies were not tested on the same examples, or a task's score
    is not the mean of ``correct`` (a bootstrap of accuracy would then say nothing about the score).
    """
    finished = [pair for pair in pairs if all(report.metrics["average_accuracy"] is not None for report in pair)]
    first, second = [], []
    for task in record.tasks if finished else ():
        found = [
            (_final(record, label, ours, task), _final(record, against, theirs, task)) for ours, theirs in finished
        ]
        both = _over_seeds(found)
        if both is None:
            return None
        first.append(both[0])
        second.append(both[1])
    return (first, second) if first else None


def _over_seeds(pairs: Sequence[tuple[pd.Series | None, pd.Series | None]]) -> tuple[Array, Array] | None:
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


def _final(record: Record, label: str, report: SeedReport, task: str) -> pd.Series | None:
    """Return ``correct`` by example id as it stands after the last stage."""
    path = _file(record, label, report, task)
    if path is None or not path.exists():
        return None
    import pandas as pd

    correct = pd.read_parquet(path, columns=["id", "correct"]).set_index("id")["correct"].astype(float).sort_index()
    score = report.matrix[-1][record.tasks.index(task)]
    return correct if score is not None and np.isclose(correct.mean(), score, rtol=0, atol=1e-6) else None


def _file(record: Record, label: str, report: SeedReport, task: str) -> Path | None:
    """Return the outcomes of the last stage, or those that its verified or carried score was taken from."""
    column = record.tasks.index(task)
    for stage in range(len(record.tasks), -1, -1):
        path = record.examples.get((label, report.seed, stage, task))
        if path is not None or report.statuses[stage][column] not in ("verified", "carried"):
            return path
    return None
