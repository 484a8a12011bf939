"""A fit that trains nothing but the head: the frozen body encodes each row once, and the steps take what came out."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from workbench.backbone.architecture import state_width
from workbench.backbone.batching import in_batches
from workbench.backbone.feature_store import MOST_BYTES
from workbench.backbone.frozen_features import features_kept
from workbench.machine import processes
from workbench.methods.kinds._texts import reads_features
from workbench.methods.model import BESIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from workbench.backbone.pretrained import Backbone
    from workbench.methods.adaptation import Adaptation
    from workbench.methods.model import TaskModel

    Rows = list[dict[str, Any]]
    Collate = Callable[[Rows], dict[str, Tensor]]

FEATURES = "features"  # of a row, beside what it was encoded from


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

    Under a frozen body each row gets its feature vector, so that no step runs the body. That is not done where the
    kind reads token states, where several processes share the rows, or where the features would take more than
    :data:`workbench.backbone.feature_store.MOST_BYTES`.

    Args:
        model: in a block of :func:`frozen_body`.
        backbone: that its body is of.
        encoded: training rows as its kind encodes them.
    """
    collate = model.kind.collate(backbone.tokenizer)
    size = len(encoded) * state_width(backbone.config) * np.dtype(np.float32).itemsize
    if not model.frozen or not reads_features(model.kind) or processes.count() > 1 or size > MOST_BYTES:
        return encoded, collate

    def call(_: list[int], batch: dict[str, Tensor]) -> NDArray[np.float32]:
        read = {name: tensor for name, tensor in batch.items() if name not in BESIDE}
        vectors: NDArray[np.float32] = model.features(**read).float().cpu().numpy()
        return vectors

    vectors = torch.from_numpy(np.stack(in_batches(call, model, encoded, collate)))  # (rows, hidden_size)
    rows = [{**row, FEATURES: vector} for row, vector in zip(encoded, vectors, strict=True)]
    return rows, _with_features(collate)


def _with_features(collate: Collate) -> Collate:
    """Return ``collate`` for rows with a feature vector each: a batch has ``features`` (batch, hidden_size) too."""

    def batch(rows: Rows) -> dict[str, Tensor]:
        features = torch.stack([row[FEATURES] for row in rows])
        return {**collate([_without_text(row) for row in rows]), FEATURES: features}

    return batch


def _without_text(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as its kind encodes it, but of its text the first token alone: nobody reads it."""
    return {name: value if name in BESIDE else value[:1] for name, value in row.items() if name != FEATURES}
