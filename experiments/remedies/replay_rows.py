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
    if not isinstance(dataset, Dataset) or not isinstance(kept, Dataset):
        hint = "Give two datasets.Dataset; of a stream, its first rows: Dataset.from_list([*stream.take(1000)])."
        raise InputError("rows are drawn by their numbers, and these have none", where=WHERE, hint=hint)
    if not len(kept):
        raise InputError("'kept' has no rows", where=WHERE)
    if other := {*dataset.column_names} ^ {*kept.column_names}:
        raise InputError(f"the two have different columns: {', '.join(sorted(other))}", where=WHERE)
    count = max(1, round(len(dataset) * share / (1 - share)))
    whole, rest = divmod(count, len(kept))
    drawn = np.sort(np.random.default_rng(seed).choice(len(kept), rest, replace=False))
    rows = kept.select([*range(len(kept))] * whole + drawn.tolist())
    with blaming("the two cannot be put together", WHERE):
        return concatenate_datasets([rows, dataset])
