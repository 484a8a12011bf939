"""A fit that trains nothing but the head: the frozen body encodes each row once, and the steps take what came out."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from adapter_workbench.workbench.backbone.architecture import state_width
from adapter_workbench.workbench.backbone.batching import IGNORED, in_batches
from adapter_workbench.workbench.backbone.feature_store import MOST_BYTES
from adapter_workbench.workbench.backbone.network import features_kept
from adapter_workbench.workbench.machine import processes
from adapter_workbench.workbench.methods.kinds._texts import reads_features
from adapter_workbench.workbench.methods.kinds.token_classification import reads_tokens
from adapter_workbench.workbench.methods.model import BESIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.methods.kind import Kind
    from adapter_workbench.workbench.methods.model import TaskModel

    Rows = list[dict[str, Any]]
    Collate = Callable[[Rows], dict[str, Tensor]]

VECTORS = "features"  # of a row, beside what it was encoded from


@contextmanager
def frozen_body(model: TaskModel, adaptation: Adaptation) -> Iterator[None]:
    """Leave the body in evaluation mode for as long as the block runs, and keep its features.

    Linear probing reads features that are always the same; dropout in the body would add noise to them. Nothing is done
    for a method that trains the body, or where anything but the head requires gradients.
    """
    trained = [*model.trainable()]
    if adaptation.card.trains_body or not all(name.startswith("head.") for name in trained):
        yield
        return
    model.frozen = True
    try:
        with features_kept(model, adaptation.backbone) if processes.count() == 1 else nullcontext():
            yield
    finally:
        model.frozen = False


def read_ahead(model: TaskModel, backbone: Backbone, encoded: Rows) -> tuple[Rows, Collate]:
    """Return the rows of a fit, and what makes a batch of some of them.

    Under a frozen body each row gets the vectors that the head reads, so that no step runs the body. That is not done
    where an installed package says what a kind reads, where several processes share the rows, or where the vectors
    would take more than :data:`adapter_workbench.workbench.backbone.feature_store.MOST_BYTES`.

    Args:
        model: in a block of :func:`frozen_body`.
        backbone: that its body is of.
        encoded: training rows as its kind encodes them.
    """
    kind, collate = model.kind, model.kind.collate(backbone.tokenizer)
    counts = _vectors_by_row(kind, encoded)
    size = sum(counts) * state_width(backbone.config) * np.dtype(np.float32).itemsize
    if not model.frozen or not counts or processes.count() > 1 or size > MOST_BYTES:
        return encoded, collate

    def call(indices: list[int], batch: dict[str, Tensor]) -> list[dict[str, NDArray[Any]]]:
        inputs = {name: tensor for name, tensor in batch.items() if name not in BESIDE}
        read, learned = kind.read(model, inputs, batch["labels"])
        ends = np.cumsum([counts[index] for index in indices])[:-1]
        parts = {VECTORS: np.split(read.float().cpu().numpy(), ends)}
        if learned is not None and reads_tokens(kind):
            parts["labels"] = np.split(learned.cpu().numpy(), ends)
        return [dict(zip(parts, row, strict=True)) for row in zip(*parts.values(), strict=True)]

    known = in_batches(call, model, encoded, collate)
    rows = [{**row, **_as_tensors(more)} for row, more in zip(encoded, known, strict=True)]
    return rows, _with_features(collate)


def _vectors_by_row(kind: Kind, encoded: Rows) -> list[int]:
    """Return how many vectors the head reads of each row; nothing where that is not known of a kind."""
    if reads_features(kind):
        return [1] * len(encoded)
    if reads_tokens(kind):
        return [sum(label != IGNORED for label in row["labels"]) for row in encoded]
    return []


def _as_tensors(arrays: dict[str, NDArray[Any]]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _with_features(collate: Collate) -> Collate:
    """Return ``collate`` for rows with vectors: a batch has ``features`` (vectors, hidden_size) and their labels."""

    def batch(rows: Rows) -> dict[str, Tensor]:
        together = {VECTORS: torch.cat([row[VECTORS] for row in rows])}
        if isinstance(rows[0]["labels"], torch.Tensor):
            together["labels"] = torch.cat([row["labels"] for row in rows])
            return together
        return {**collate([_without_text(row) for row in rows]), **together}

    return batch


def _without_text(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as its kind encodes it, but of its text the first token alone: nobody reads it."""
    return {name: value if name in BESIDE else value[:1] for name, value in row.items() if name != VECTORS}
