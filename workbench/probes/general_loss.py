"""general-loss: how well the model predicts general text that no task uses, compared with the bare backbone."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from adapter_workbench.workbench.backbone.architecture import is_causal
from adapter_workbench.workbench.backbone.batching import IGNORED, in_batches, pad_rows
from adapter_workbench.workbench.backbone.tokenizing import tokenise
from adapter_workbench.workbench.probes._language import bare_model, head_beside, no_language_head

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.machine.device import Precision
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.probes import Probe, ProbeContext

MASKED_SHARE = 0.15


class GeneralLoss:
    """Mean cross-entropy per token, in nats, of the adapted body under the output layer of the backbone's pretraining.

    A whole model that somebody trained has an output layer and a tokenizer of its own.

    A causal language model predicts each token but the first from those before it. A masked one predicts a seeded 15 %
    of each text's tokens, all of them replaced by the mask token, from the rest (Devlin et al. 2019, arXiv:1810.04805,
    who leave a fifth in place or replace it at random). The same tokens are predicted at every stage. ``increase`` is
    the loss less that of the bare backbone on the same tokens in the same precision: above 0, general knowledge went.
    The task's head takes no part.
    """

    scope: Literal["task", "model"] = "model"
    reads_hidden = False

    def objection(self, backbone: Backbone, kind: str) -> str | None:
        """Return why the backbone cannot predict tokens, or None."""
        return no_language_head(backbone)

    def measure(self, model: TaskModel, context: ProbeContext) -> Mapping[str, float]:
        """Return ``loss`` and ``increase``; nothing where the text has no token to predict.

        Raises:
            InputError: the backbone has no output layer of its pretraining.
        """
        backbone, tokenizer = context.backbone, context.tokenizer
        rows = encode(backbone, tokenizer, context.text, context.max_length, context.seed)
        if not any(label != IGNORED for row in rows for label in row["labels"]):
            return {}
        loss = mean_loss(model, head_beside(model, context), rows, tokenizer.pad_token_id)
        bare = _bare_loss(backbone, context.text, context.max_length, context.seed, model.precision)
        return {"loss": loss, "increase": loss - bare}


def encode(
    backbone: Backbone, tokenizer: PreTrainedTokenizerBase, text: tuple[str, ...], max_length: int, seed: int
) -> list[dict[str, Any]]:
    """Return model inputs, one a text; ``labels`` has at each position the token that its state predicts, or −100."""
    if not text:
        return []
    if is_causal(backbone.config):
        return causal_rows(tokenizer, text, max_length)
    columns = tokenise(tokenizer, list(text), truncation=True, max_length=max_length, return_special_tokens_mask=True)
    pairs = list(zip(columns["input_ids"], columns["special_tokens_mask"], strict=True))
    generator = torch.Generator().manual_seed(seed)
    return [_mask(ids, special, tokenizer.mask_token_id, generator) for ids, special in pairs if ids]


def causal_rows(tokenizer: PreTrainedTokenizerBase, text: Sequence[str], max_length: int) -> list[dict[str, Any]]:
    """Return model inputs of a causal language model, one a text, as :func:`encode` does."""
    columns = tokenise(tokenizer, [*text], truncation=True, max_length=max_length)
    return [_row(ids, [*ids[1:], IGNORED]) for ids in columns["input_ids"] if ids]


def mean_loss(model: TaskModel, head: nn.Module, rows: list[dict[str, Any]], pad: int) -> float:
    """Return the mean cross-entropy over all tokens that ``rows`` want predicted, in nats."""

    def call(_: list[int], batch: dict[str, Tensor]) -> list[tuple[float, int]]:
        wanted, sums = batch.pop("labels"), []
        for states, labels in zip(model.states(**batch), wanted, strict=True):  # one at a time: a vocabulary is large
            predicted = labels != IGNORED
            loss = nn.functional.cross_entropy(head(states[predicted]), labels[predicted], reduction="sum")
            sums.append((float(loss), int(predicted.sum())))
        return sums

    losses = in_batches(call, model, rows, lambda batch: pad_rows(batch, pad, "right"))
    loss, count = (sum(column) for column in zip(*losses, strict=True))
    return float(loss / count)


@lru_cache(maxsize=8)
def _bare_loss(
    backbone: Backbone,
    text: tuple[str, ...],
    max_length: int,
    seed: int,
    precision: Precision,
) -> float:
    """Return what :func:`mean_loss` is without any method's weights; the same at every stage."""
    bare = bare_model(backbone, precision)
    rows = encode(backbone, backbone.tokenizer, text, max_length, seed)
    return mean_loss(bare, bare.head, rows, backbone.tokenizer.pad_token_id)


def _mask(ids: list[int], special: list[int], mask: int, generator: torch.Generator) -> dict[str, Any]:
    positions = [position for position, is_special in enumerate(special) if not is_special]
    count = min(len(positions), max(1, round(MASKED_SHARE * len(positions))))
    hidden = {positions[index] for index in torch.randperm(len(positions), generator=generator)[:count].tolist()}
    shown = [mask if position in hidden else token for position, token in enumerate(ids)]
    return _row(shown, [token if position in hidden else IGNORED for position, token in enumerate(ids)])


def _row(ids: list[int], labels: list[int]) -> dict[str, Any]:
    return {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": labels}


PROBE: Probe = GeneralLoss()
