"""What is known about a task's data before anything is trained on them."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, Any

from adapter_workbench.tasks.rows.cutting import text_keys, too_small
from adapter_workbench.tasks.rows.fingerprint import LISTS
from adapter_workbench.tasks.rows.hidden_characters import hidden_in
from adapter_workbench.tasks.rows.label_spellings import spellings_of_one
from adapter_workbench.tasks.rows.odd_texts import odd_texts
from adapter_workbench.workbench.methods.kind import GENERATED

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.workbench.methods.task import Task

SHOWN = 5
MEASURED = 20_000
PERCENTILES = (50, 90, 99)
READ = ("text", "text_pair", "answer")
TARGETS = ("label", "labels", "tags", "value", "answer")


def check(
    task: Task, tokenizer: PreTrainedTokenizerBase | None = None, max_length: int | None = None
) -> dict[str, Any]:
    """Return sizes, balance, duplicates, leakage and, with a tokenizer, lengths of a task.

    Two texts are the same where they are equal but for case and white space (for pairs: both texts are).

    Args:
        task: the loaded task.
        tokenizer: counts tokens as the task's kind reads them, special tokens (and of free answers the chat template
            and the answer) included; on at most 20,000 rows of a split, evenly spaced.
        max_length: with a tokenizer: count the texts that would be cut.

    Returns:
        ``task``, ``kind``, ``labels``, ``fingerprint``, ``origin``, ``license``, and for free answers ``metric`` and
        ``max_new_tokens``; ``splits``: for each split ``examples``, ``label_counts`` (rows with a label, words
        with a tag; empty for free answers and numbers), for numbers ``values`` (``min``, ``mean``, ``max``, ``std``),
        ``duplicates`` (rows beyond the first with their text), for free answers ``answers`` (``distinct``, and the
        ``most_frequent`` ones with their counts) and, with a tokenizer, ``tokens`` (``p50``, ``p90``, ``p99``, ``max``,
        ``measured`` rows, ``cut``: share over ``max_length`` or None, ``unknown``: share of the tokens that stand for
        what the vocabulary does not have; for free answers also ``answer_max``, the longest
        answer, and ``answers_cut``, the share of answers over ``max_new_tokens``);
        ``leakage``: for each pair of splits, written ``a/b``, the ``count`` of rows of b whose text stands in a, and
        some of their ids; ``conflicts``: the ``count`` of texts with several labels or answers, and some ids;
        ``texts``: what looks like several rows read as one: ``line_breaks`` and ``long`` (50 times the ``median``
        length of all splits), each the ``count`` of such texts and some of their ids;
        ``too_small``: the splits with so few examples that a score is mostly chance;
        ``spellings``: groups of labels that look alike, as those that differ in case or white space alone;
        ``hidden``: label → the characters in it that are not seen;
        ``majority``: score on test of always giving the most frequent label or answer of train.
    """
    from adapter_workbench.workbench.methods.kinds import KINDS

    kind = KINDS.get(task.kind)
    rows = {split: data.to_pandas() for split, data in task.splits.items()}
    keys = {split: text_keys(frame) for split, frame in rows.items()}
    splits = {split: _split_facts(frame, keys[split], task.labels) for split, frame in rows.items()}
    if tokenizer is not None:
        for split, data in task.splits.items():
            splits[split]["tokens"] = _tokens(task.kind, data, tokenizer, max_length)
    judged = {"metric": task.metric, "max_new_tokens": task.max_new_tokens} if task.kind in GENERATED else {}
    return {
        "task": task.name,
        "kind": task.kind,
        "labels": list(task.labels),
        **judged,
        "splits": splits,
        "leakage": {f"{a}/{b}": _shared_rows(keys[a], keys[b], rows[b]) for a, b in combinations(rows, 2)},
        "conflicts": _conflicts(rows, keys),
        "texts": _texts(rows),
        "spellings": _spellings(splits),
        "hidden": hidden_in(task.labels),
        "too_small": too_small({split: len(data) for split, data in task.splits.items()}),
        "majority": kind.majority(task.splits["train"], task.splits["test"]),
        "fingerprint": task.fingerprint,
        "origin": task.origin,
        "license": task.license,
    }


def ids_of(counted: Mapping[str, Any], rows: int = 1) -> str:
    """Return the first ids of the rows that :func:`check` counted, and … if there are more.

    Args:
        counted: a ``count`` and some ``ids``.
        rows: how many each of those counted has at least.
    """
    listed = ", ".join(counted["ids"])
    return f"{listed}, …" if rows * counted["count"] > len(counted["ids"]) else listed


def _split_facts(frame: pd.DataFrame, keys: pd.Series[str], labels: tuple[str, ...]) -> dict[str, Any]:
    target = _target(frame)
    counts = frame[target].explode().value_counts()
    facts = {
        "examples": len(frame),
        "label_counts": {name: int(counts.get(index, 0)) for index, name in enumerate(labels)},
        "duplicates": int(keys.duplicated().sum()),
    }
    if target == "value":
        values = {name: float(getattr(frame[target], name)()) for name in ("min", "mean", "max")}
        facts["values"] = values | {"std": float(frame[target].std(ddof=0))}
    if target == "answer":
        frequent = {str(answer): int(count) for answer, count in counts.head(SHOWN).items()}
        facts["answers"] = {"distinct": len(counts), "most_frequent": frequent}
    return facts


def _target(frame: pd.DataFrame) -> str:
    return next(name for name in TARGETS if name in frame)


def _shared_rows(first: pd.Series[str], second: pd.Series[str], rows: pd.DataFrame) -> dict[str, Any]:
    ids = rows["id"][second.isin(first)]
    return {"count": len(ids), "ids": ids.head(SHOWN).tolist()}


def _conflicts(rows: Mapping[str, pd.DataFrame], keys: Mapping[str, pd.Series[str]]) -> dict[str, Any]:
    import pandas as pd

    target = _target(rows["train"])
    every = pd.concat([frame[["id", target]].assign(key=keys[split]) for split, frame in rows.items()])
    if target in LISTS:
        every[target] = every[target].map(tuple)
    repeated = every[every["key"].duplicated(keep=False)]
    several = repeated.groupby("key")[target].transform("nunique") > 1
    conflicting = repeated[several]
    ids = conflicting.sort_values("key")["id"].head(SHOWN).tolist()
    return {"count": int(conflicting["key"].nunique()), "ids": ids}


def _spellings(splits: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    counts = sum((Counter(facts["label_counts"]) for facts in splits.values()), Counter[str]())
    return [list(group) for group in spellings_of_one(counts)]


def _texts(rows: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    import pandas as pd

    every = pd.concat(rows.values(), ignore_index=True)
    odd = odd_texts(every["text"])
    odd_facts = {
        name: {"count": len(positions), "ids": every["id"].iloc[list(positions[:SHOWN])].tolist()}
        for name, positions in (("line_breaks", odd.broken), ("long", odd.long))
    }
    return {**odd_facts, "median": odd.median}


def _tokens(
    task_kind: str, data: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int | None
) -> dict[str, Any]:
    import numpy as np

    from adapter_workbench.workbench.methods.kinds import KINDS

    chosen = np.unique(np.linspace(0, len(data) - 1, min(len(data), MEASURED)).astype(int))
    rows = data.select(chosen)
    asked, answered = KINDS.get(task_kind).lengths(rows, tokenizer)
    lengths = np.array(asked) + np.array(answered)
    facts: dict[str, Any] = {f"p{q}": int(np.percentile(lengths, q, method="higher")) for q in PERCENTILES}
    facts |= {"max": int(lengths.max()), "measured": len(lengths), "unknown": _unknown(rows, tokenizer)}
    if "answer" not in rows.column_names:
        return {**facts, "cut": None if max_length is None else float((lengths > max_length).mean())}
    limits = np.array(rows["max_new_tokens"][:])
    shared = limits if task_kind == "causal-lm" else 0  # an encoder-decoder reads and answers in two halves
    cut = None if max_length is None else float((np.array(asked) > max_length - shared).mean())
    answers_cut = float((np.array(answered) > limits).mean())
    return {**facts, "cut": cut, "answer_max": max(answered), "answers_cut": answers_cut}


def _unknown(rows: Dataset, tokenizer: PreTrainedTokenizerBase) -> float:
    """Return the share of the tokens of texts and answers that are the tokenizer's token for anything unknown."""
    from adapter_workbench.workbench.backbone.tokenizing import tokenise

    unknown = getattr(tokenizer, "unk_token_id", None)
    texts = [text for name in READ if name in rows.column_names for text in rows[name]]
    if unknown is None or not texts:
        return 0.0
    ids: list[list[int]] = tokenise(tokenizer, texts, add_special_tokens=False, verbose=False)["input_ids"]
    return sum(tokens.count(unknown) for tokens in ids) / max(1, sum(map(len, ids)))
