"""intruder: how many of the strongest directions of each weight matrix the pretrained matrix did not have."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import torch

from adapter_workbench.workbench.probes._weights import changes, layers, packed, smaller_gram

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.probes import Probe, ProbeContext
    from adapter_workbench.workbench.probes._weights import Change

STRONGEST, THRESHOLD = 10, 0.6  # k of the paper, which varies ε from 0 to 1
NUMERICAL_ZERO = 1e-7  # beside the largest singular value


class Intruder:
    """Intruder dimensions (Shuttleworth et al. 2024, arXiv:2410.21228, alg. 1).

    Of the 10 strongest left singular vectors uⱼ of W + ΔW, those with max_i |cos(uⱼ, xᵢ)| < 0.6 over all left
    singular vectors xᵢ of W: ``layer-k`` and ``total``, means over matrices. LoRA has them and full fine-tuning
    hardly; they go with forgetting. Matrices of the transformer blocks that differ from the pretrained ones count;
    directions that W maps nothing onto are no vectors of it. The vectors of the last backbone's W stay in memory,
    as many bytes as its matrices have; wholly fine-tuned MiniLM takes about 1 s on one core.
    """

    scope: Literal["task", "model"] = "model"
    reads_hidden = False

    def objection(self, backbone: Backbone, kind: str) -> str | None:
        """Return why the weights cannot be compared, or None."""
        return packed(backbone)

    def measure(self, model: TaskModel, context: ProbeContext) -> Mapping[str, float]:
        """Return the mean count per matrix, of ``layer-k`` that changed and in ``total``; nothing where none did."""
        vectors = _pretrained_vectors(context.backbone.fingerprint)
        by_layer = layers(changes(model.body, context.backbone))
        blocks = {layer: matrices for layer, matrices in by_layer.items() if layer > 0}
        counts = {layer: [_count(change, vectors) for change in matrices] for layer, matrices in blocks.items()}
        every = [count for layer_counts in counts.values() for count in layer_counts]
        if not every:
            return {}
        return {
            **{f"layer-{layer}": sum(layer_counts) / len(layer_counts) for layer, layer_counts in counts.items()},
            "total": sum(every) / len(every),
        }


def left_vectors(matrix: Tensor, most: int | None = None) -> Tensor:
    """Return the left singular vectors of (out, in) as columns, strongest first, ``most`` at most: (out, p).

    They are eigenvectors of the smaller Gram matrix in float64; those of singular values that are numerically 0 are
    none.
    """
    squares, vectors = torch.linalg.eigh(smaller_gram(matrix))  # ascending
    values, vectors = squares.flip(0).clamp(min=0).sqrt(), vectors.flip(1)
    count = int((values > NUMERICAL_ZERO * values[0]).sum())
    left: Tensor = vectors[:, :count][:, :most]
    if matrix.shape[0] > matrix.shape[1]:  # these are the right ones
        left = matrix.double() @ left / values[: left.shape[1]]
    return left


@lru_cache(maxsize=1)
def _pretrained_vectors(fingerprint: str) -> dict[str, Tensor]:
    """Return the dictionary that keeps the vectors of one backbone's matrices, by name."""
    return {}


def _count(change: Change, vectors: dict[str, Tensor]) -> int:
    if change.name not in vectors:
        vectors[change.name] = left_vectors(change.weight).float()
    strongest = left_vectors(change.weight + change.delta, STRONGEST)  # (out, ≤ 10)
    nearest = (strongest.T.float() @ vectors[change.name]).abs().amax(dim=1)
    return int((nearest < THRESHOLD).sum())


PROBE: Probe = Intruder()
