"""Rows on which a model is held to what it was, as the tensors that it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from adapter_workbench.workbench.backbone.batching import IGNORED
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

TOKENS = 512  # of a text, at most


@dataclass(frozen=True)
class Anchor:
    """A tokenized row."""

    ids: list[int]
    held: list[bool]  # of each token, whether what the model says of it is held


def anchors_of(rows: Iterable[Any], tokenizer: Any, where: str) -> list[Anchor]:
    """Return texts or tokenized rows as anchors; of a row with labels, the answers alone are held.

    Raises:
        InputError: there are none, or they are neither.
    """
    anchors = [_anchor(row, tokenizer, where) for row in rows]
    if not anchors:
        raise InputError("there are no rows to hold the model on", where=where)
    return anchors


def batch_of(anchors: Sequence[Anchor], device: torch.device) -> tuple[dict[str, Tensor], Tensor]:
    """Return what the model reads, padded at the right (rows, tokens), and where it is held (rows, tokens)."""
    longest = max(len(anchor.ids) for anchor in anchors)
    ids, read, held = (torch.zeros(len(anchors), longest, dtype=torch.long, device=device) for _ in range(3))
    for row, anchor in enumerate(anchors):
        count = len(anchor.ids)
        ids[row, :count] = torch.tensor(anchor.ids)
        read[row, :count] = 1
        held[row, :count] = torch.tensor(anchor.held, dtype=torch.long)
    return {"input_ids": ids, "attention_mask": read}, held.bool()


def _anchor(row: Any, tokenizer: Any, where: str) -> Anchor:
    hint = "Give texts, or rows with input_ids as the trainer has them."
    if isinstance(row, str):
        if tokenizer is None:
            raise InputError("texts need a tokenizer, and this trainer has no processing_class", where=where, hint=hint)
        ids = [*tokenizer(row, truncation=True, max_length=TOKENS)["input_ids"]]
        labels: Any = ids
    elif isinstance(row, dict) and "input_ids" in row:
        ids = [*row["input_ids"]]
        labels = row.get("labels")
    else:
        raise InputError(
            f"a row to hold the model on is neither a text nor tokenized: {row!r:.80}", where=where, hint=hint
        )
    if not isinstance(labels, list) or len(labels) != len(ids):  # of a classifier the label is a number
        labels = ids
    held = [label != IGNORED for label in labels]
    if len(ids) < 2 or not any(held[1:]):
        raise InputError(f"a row to hold the model on has no token to answer: {row!r:.80}", where=where, hint=hint)
    return Anchor(ids, held)
