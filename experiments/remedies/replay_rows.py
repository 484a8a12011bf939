"""Rows of earlier tasks among those of a new one (experience replay: Chaudhry et al. 2019, arXiv:1902.10486)."""

from __future__ import annotations

import numpy as np
from datasets import Dataset, concatenate_datasets

from adapter_workbench.workbench.errors import InputError, Problem, SettingsError, blaming

WHERE = "with_replay(…)"


def with_replay(dataset: Dataset, kept: Dataset, share: float, seed: int = 0) -> Dataset:
    """Return the rows of ``dataset`` and, before them, as many of ``kept`` as make up ``share`` of all.

    Where ``kept`` has more, they are drawn with ``seed``; where it has fewer, its rows come several times. The order of
    neither changes: a trainer shuffles.

    Args:
        dataset: the new task's rows.
        kept: rows of earlier tasks with the same columns.
        share: of all rows that are returned; between 0 and 1, without these.
        seed: of the draw.

    Raises:
        SettingsError: ``share`` is none.
        InputError: there are no rows to replay, or they are other rows than the new ones.
    """
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
        raise SettingsError([Problem(f"'share': give a number between 0 and 1, not {share!r}", WHERE)])
    _require_alike(dataset, kept, WHERE)
    if not len(kept):
        raise InputError("'kept' has no rows", where=WHERE)
    count = max(1, round(len(dataset) * share / (1 - share)))
    whole, rest = divmod(count, len(kept))
    drawn = np.sort(np.random.default_rng(seed).choice(len(kept), rest, replace=False))
    rows = kept.select([*range(len(kept))] * whole + drawn.tolist())
    return _joined(rows, dataset, WHERE)


def put_before(dataset: Dataset, kept: Dataset, where: str) -> Dataset:
    """Return all rows of ``kept`` and, behind them, those of ``dataset``, of which other columns are left out.

    Raises:
        InputError: the rows of one are not like those of the other.
    """
    if isinstance(dataset, Dataset):
        dataset = dataset.select_columns([name for name in kept.column_names if name in dataset.column_names])
    _require_alike(dataset, kept, where)
    return _joined(kept, dataset, where)


def _require_alike(dataset: Dataset, kept: Dataset, where: str) -> None:
    if not isinstance(dataset, Dataset) or not isinstance(kept, Dataset):
        hint = "Give two datasets.Dataset; of a stream, its first rows: Dataset.from_list([*stream.take(1000)])."
        raise InputError("rows are drawn by their numbers, and these have none", where=where, hint=hint)
    if other := {*dataset.column_names} ^ {*kept.column_names}:
        raise InputError(f"the two have different columns: {', '.join(sorted(other))}", where=where)


def _joined(kept: Dataset, dataset: Dataset, where: str) -> Dataset:
    with blaming("the two cannot be put together", where):
        return concatenate_datasets([kept, dataset])
