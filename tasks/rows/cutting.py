"""Cutting one table into splits: stratified, seeded, and never through a group of equal texts.

Also which rows have equal texts (but for case and white space), and which splits are too small for scores that mean
something.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

ENOUGH = {"train": 20, "validation": 10, "test": 30}  # examples: with fewer, a score is mostly chance
A_BEGINNING = 150  # rows of which a fifth is enough to test on


def cut(
    rows: pd.DataFrame, amounts: Mapping[str, float], *, seed: int, stratified: bool = True
) -> dict[str, pd.DataFrame]:
    """Return ``rows`` cut into ``train`` and the splits of ``amounts``.

    The split of a row depends on its text, the seed, and which other texts share its class, not on the order of the
    rows. Each class (of a group of equal texts: its first row's) gives its share to within a row; a group that would
    reach over the end of a split, or is larger than one, stays in train, and so does at least one row of each class.

    Args:
        rows: has ``text``, for pairs ``text_pair``, and ``label`` (without one, all are of one class).
        amounts: split → share of the rows (below 1) or number of rows, in the order in which they are taken.
        seed: another seed gives another cut.
        stratified: False cuts without looking at the labels.
    """
    import numpy as np
    import pandas as pd

    codes, keys = pd.factorize(text_keys(rows))  # rows with equal texts share a code
    order = np.argsort(_digests(keys, seed), kind="stable")
    group_sizes = np.bincount(codes, minlength=len(keys))
    strata = _first_labels(rows, codes) if stratified and "label" in rows else np.zeros(len(keys), dtype=np.int64)
    split_index = np.zeros(len(keys), dtype=np.int64)  # 0 is train
    shares = [amount if amount < 1 else amount / len(rows) for amount in amounts.values()]
    before = 0  # rows in the strata that are done
    for stratum in np.unique(strata):
        groups = order[strata[order] == stratum]
        total = int(group_sizes[groups].sum())
        quotas = [
            round(share * (before + total)) - round(share * before) for share in shares
        ]  # Σ = round(share × rows)
        before += total
        large = group_sizes[groups] > max(1, min(quotas, default=0))
        groups = groups[np.argsort(large, kind="stable")]  # large groups last: they stay in train
        ends = np.cumsum(group_sizes[groups])
        starts = ends - group_sizes[groups]
        for split, quota in enumerate(quotas, start=1):
            low = sum(quotas[: split - 1])
            high = min(low + quota, total - 1)
            split_index[groups[(starts >= low) & (ends <= high)]] = split
    row_split = split_index[codes]
    return {split: rows[row_split == index] for index, split in enumerate(["train", *amounts])}


def text_keys(rows: pd.DataFrame) -> pd.Series[str]:
    """Return a string for each row that is the same for rows with the same text (and the same second text).

    Args:
        rows: has the column ``text`` and, for pairs, ``text_pair``.
    """
    import pandas as pd

    keys = [" ".join(text.split()).casefold() for text in rows["text"]]
    if "text_pair" in rows:
        pairs = (" ".join(text.split()).casefold() for text in rows["text_pair"])
        keys = [f"{key}\0{pair}" for key, pair in zip(keys, pairs, strict=True)]
    return pd.Series(keys, index=rows.index, dtype="str")


def without_duplicates(splits: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Drop rows whose text is also in a later split, or earlier in the same split."""
    import pandas as pd

    keys = {split: text_keys(rows) for split, rows in splits.items()}
    every = pd.concat(reversed(keys.values()), ignore_index=True)
    first = iter(~every.duplicated())
    kept = {split: [next(first) for _ in rows] for split, rows in reversed(keys.items())}
    return {split: rows[kept[split]].reset_index(drop=True) for split, rows in splits.items()}


def too_small(sizes: Mapping[str, int]) -> list[str]:
    """Return the splits with too few examples, given how many examples each has."""
    return [split for split, least in ENOUGH.items() if sizes.get(split, 0) < least]


def small_splits_sentence(sizes: Mapping[str, int]) -> str | None:
    """Return that splits are too small and what follows from it; None where none is."""
    if not (small := too_small(sizes)):
        return None
    listed = ", ".join(f"{split} has {sizes[split]:,}" for split in small)
    step = f" (one test example is {100 / sizes['test']:.3g} points)" if "test" in small else ""
    return f"{listed}. Scores are mostly chance{step}: {A_BEGINNING} rows are a beginning, several hundred are better."


def _digests(keys: pd.Index[str], seed: int) -> NDArray[np.uint64]:
    import numpy as np

    salt = str(seed).encode()[:16]
    digests = b"".join(hashlib.blake2b(key.encode(), digest_size=8, salt=salt).digest() for key in keys)
    return np.frombuffer(digests, dtype=np.uint64)


def _first_labels(rows: pd.DataFrame, codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the label of the first row of each group, (groups,)."""
    import numpy as np

    _, first = np.unique(codes, return_index=True)
    labels: NDArray[np.int64] = rows["label"].to_numpy(dtype=np.int64)[first]
    return labels
