"""kl-from-base: how far a model's answers to the task learned last are from the pretrained model's, token by token."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch

from adapter_workbench.workbench.backbone.batching import IGNORED, in_batches, to_device_of
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.model import TaskModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.probes import Probe, ProbeContext


class KlFromBase:
    """Mean KL(p₀ ‖ p) in nats over answer tokens, p₀ of the pretrained model and p of the model as it is now.

    KL(p₀ ‖ p) = Σ p₀ ln (p₀ ÷ p) over the vocabulary, at each token of the right answers to the task's validation rows,
    end tokens included; both models have read the text and the answer before that token. RL's Razor (Shenfeld et al.
    2025, arXiv:2509.04259) predicts forgetting by its mean over the new task's inputs. Answers are those of the rows,
    not ones that a model writes: so each value comes twice the same.
    """

    scope: Literal["task", "model"] = "model"
    reads_hidden = False

    def objection(self, backbone: Backbone, kind: str) -> str | None:
        """Return why the pretrained model gives no answers to compare with, or None."""
        return None if kind in GENERATED else f"the pretrained model has no head for a {kind} task"

    def measure(self, model: TaskModel, context: ProbeContext) -> Mapping[str, float]:
        """Return ``kl``; nothing where the two models do not have the same tokens."""
        backbone, rows = context.backbone, context.task.splits["validation"]
        if context.tokenizer.get_vocab() != backbone.tokenizer.get_vocab():
            return {}
        kind = KINDS.get(context.task.kind)
        bare = backbone.load(precision=model.precision)
        base = TaskModel(bare, kind.head(backbone, 0), kind, backbone.pooling, model.precision)
        base = base.to(next(model.parameters()).device).eval()
        asked = kind.encode(rows, backbone.tokenizer, context.max_length)
        collate = kind.collate(backbone.tokenizer)

        def divergences(indices: list[int], batch: dict[str, Tensor]) -> list[tuple[float, int]]:
            before = _answers(base, to_device_of(base, collate([asked[index] for index in indices])))
            pairs = zip(before, _answers(model, batch), strict=True)
            return [(float(divergence(old, new).sum()), len(old)) for old, new in pairs]

        encoded = model.kind.encode(rows, context.tokenizer, context.max_length)
        sums = in_batches(divergences, model, encoded, model.kind.collate(context.tokenizer))
        total, tokens = (math.fsum(column) for column in zip(*sums, strict=True))
        return {"kl": total / tokens}


def divergence(old: Tensor, new: Tensor) -> Tensor:
    """Return KL(p₀ ‖ p) (tokens,) in nats, p₀ and p of logits (tokens, vocabulary)."""
    old, new = old.log_softmax(dim=-1), new.log_softmax(dim=-1)
    return (old.exp() * (old - new)).sum(dim=-1)


def _answers(model: TaskModel, batch: dict[str, Tensor]) -> Iterator[Tensor]:
    """Yield logits (tokens, vocabulary) of each row's answer; a row at a time, since a vocabulary is large."""
    labels = batch.pop("labels")
    states, _ = model.kind.read(model, batch, labels)
    for own in torch.split(states, (labels != IGNORED).sum(dim=1).tolist()):
        yield model.head(own)


PROBE: Probe = KlFromBase()
