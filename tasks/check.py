"""What is known about a task's data before anything is trained on them."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from tasks.duplicates import text_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from workbench.contracts import Task

SHOWN = 5
MEASURED = 20_000
PERCENTILES = (50, 90, 99)


def check(
    task: Task, tokenizer: PreTrainedTokenizerBase | None = None, max_length: int | None = None
) -> dict[str, Any]:
    """Return sizes, balance, duplicates, leakage and, with a tokenizer, lengths of a task.

    Two texts are the same where they are equal but for case and white space (for pairs: both texts are).

    Args:
        task: the loaded task.
        tokenizer: counts tokens, special tokens included; on at most 20,000 rows of a split, evenly spaced.
        max_length: with a tokenizer: count the texts that would be cut.

    Returns:
        ``task``, ``kind``, ``labels``, ``fingerprint``, ``origin``, ``license``; ``splits``: for each split
        ``examples``, ``label_counts``, ``duplicates`` (rows beyond the first with their text) and, with a tokenizer,
        ``tokens`` (``p50``, ``p90``, ``p99``, ``max``, ``measured`` rows, ``cut``: share over ``max_length`` or None);
        ``leakage``: for each pair of splits, written ``a/b``, the ``count`` of rows of b whose text stands in a, and
        some of their ids; ``conflicts``: the ``count`` of texts that stand with several labels, and some ids;
        ``majority``: accuracy on test of always giving the most frequent label of train.
    """
    rows = {split: data.to_pandas() for split, data in task.splits.items()}
    keys = {split: text_keys(frame) for split, frame in rows.items()}
    splits = {split: _split(frame, keys[split], task.labels) for split, frame in rows.items()}
    if tokenizer is not None:
        for split, data in task.splits.items():
            splits[split]["tokens"] = _tokens(data, tokenizer, max_length)
    most_frequent = rows["train"]["label"].value_counts().idxmax()
    return {
        "task": task.name,
        "kind": task.kind,
        "labels": list(task.labels),
        "splits": splits,
        "leakage": {f"{a}/{b}": _shared(keys[a], keys[b], rows[b]) for a, b in combinations(rows, 2)},
        "conflicts": _conflicts(rows, keys),
        "majority": float((rows["test"]["label"] == most_frequent).mean()),
        "fingerprint": task.fingerprint,
        "origin": task.origin,
        "license": task.license,
    }


def _split(frame: pd.DataFrame, keys: pd.Series[str], labels: tuple[str, ...]) -> dict[str, Any]:
    counts = frame["label"].value_counts().to_dict()
    return {
        "examples": len(frame),
        "label_counts": {name: int(counts.get(index, 0)) for index, name in enumerate(labels)},
        "duplicates": int(keys.duplicated().sum()),
    }


def _shared(first: pd.Series[str], second: pd.Series[str], rows: pd.DataFrame) -> dict[str, Any]:
    ids = rows["id"][second.isin(first)]
    return {"count": len(ids), "ids": ids.head(SHOWN).tolist()}


def _conflicts(rows: Mapping[str, pd.DataFrame], keys: Mapping[str, pd.Series[str]]) -> dict[str, Any]:
    import pandas as pd

    every = pd.concat([frame[["id", "label"]].assign(key=keys[split]) for split, frame in rows.items()])
    repeated = every[every["key"].duplicated(keep=False)]
    several = repeated.groupby("key")["label"].transform("nunique") > 1
    found = repeated[several]
    return {"count": int(found["key"].nunique()), "ids": found.sort_values("key")["id"].head(SHOWN).tolist()}


def _tokens(data: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int | None) -> dict[str, Any]:
    import numpy as np

    chosen = np.unique(np.linspace(0, len(data) - 1, min(len(data), MEASURED)).astype(int))
    columns = data.select(chosen)[:]
    texts = [columns[name] for name in ("text", "text_pair") if name in columns]
    encoded = tokenizer(*texts, truncation=False, verbose=False, return_attention_mask=False)
    lengths = np.array([len(ids) for ids in encoded["input_ids"]])
    told: dict[str, Any] = {f"p{q}": int(np.percentile(lengths, q, method="higher")) for q in PERCENTILES}
    cut = None if max_length is None else float((lengths > max_length).mean())
    return {**told, "max": int(lengths.max()), "measured": len(lengths), "cut": cut}
