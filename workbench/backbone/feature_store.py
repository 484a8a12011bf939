"""Features that a frozen body gave for a batch, kept in the process: equal batches are encoded once.

A batch is known by the numbers in it, and a body by its pretrained weights and its config. What else determines the
last bit of a feature is part of the key too: pooling, arithmetic, device and threads. So what is kept is what the body
would give again, and whoever reads it gets the same numbers as without it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import RLock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

MOST_BYTES = 1 << 28  # of all features that are kept; those that were not asked for the longest go first


class FeatureStore:
    """Features of batches, on the processor, by what determines them; safe to use from several threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes, self.bytes = most_bytes, 0
        self._kept: OrderedDict[tuple[str, str], Tensor] = OrderedDict()
        self._changing = RLock()

    def get(self, body: str, batch: str, compute: Callable[[], Tensor]) -> Tensor:
        """Return the features of a batch (rows, hidden_size): on the processor where they are kept, else as computed.

        Args:
            body: key of the body's weights.
            batch: key of the batch and of how it is computed.
            compute: runs the body; called where the features are not kept.
        """
        with self._changing:
            if (kept := self._kept.get((body, batch))) is not None:
                self._kept.move_to_end((body, batch))
                return kept
        features = compute()
        self._keep((body, batch), features.detach().cpu())
        return features

    def forget(self, body: str) -> None:
        """Drop the features of one body."""
        with self._changing:
            for key in [key for key in self._kept if key[0] == body]:
                self._drop(key)

    def clear(self) -> None:
        """Drop everything."""
        with self._changing:
            self._kept.clear()
            self.bytes = 0

    def _keep(self, key: tuple[str, str], features: Tensor) -> None:
        if features.nbytes > self.most_bytes:
            return
        with self._changing:
            if key in self._kept:
                return
            self._kept[key] = features
            self.bytes += features.nbytes
            while self.bytes > self.most_bytes:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: tuple[str, str]) -> None:
        self.bytes -= self._kept.pop(key).nbytes


FEATURES = FeatureStore()


def batch_key(inputs: Mapping[str, Tensor], *how: object) -> str:
    """Return the SHA-256 over a batch, names, types, shapes and numbers of its tensors, and ``how`` it is computed."""
    total = hashlib.sha256(" ".join(map(str, how)).encode())
    for name in sorted(inputs):
        tensor = inputs[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        total.update(tensor.numpy().tobytes())
    return total.hexdigest()
