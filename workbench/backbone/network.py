"""Body and head: texts become token states and one vector each. It knows no kind of task."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import torch
from torch import Tensor, nn

from adapter_workbench.workbench.backbone.feature_store import FEATURES, batch_key
from adapter_workbench.workbench.machine.device import accelerator
from adapter_workbench.workbench.machine.processes import shards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from adapter_workbench.workbench.backbone.pretrained import Backbone, Pooling
    from adapter_workbench.workbench.machine.device import Precision


class Network(nn.Module):
    """What a kind of task reads from: token states, and one vector for each text.

    Body and head stand on the machine's accelerator (:func:`accelerator`).

    Attributes:
        body: the backbone with a method's weights on it.
        head: what the kind reads (…, hidden_size) → logits (…, labels).
        pooling: ``mean`` over tokens, ``first`` token or ``last`` token.
        precision: the arithmetic of the body; pooling and head always compute in float32.
        body_key: stands for the body's weights while its features are kept
            (:func:`features_kept`); None where each batch is run.
    """

    body_key: str | None = None

    def __init__(self, body: nn.Module, head: nn.Module, pooling: Pooling, precision: Precision) -> None:
        """Put the parts together; nothing is copied, but where the accelerator has memory of its own."""
        super().__init__()
        self.body, self.head = body, head
        self.pooling, self.precision = pooling, precision
        to_accelerator(self)

    def states(self, attention_mask: Tensor, question: Tensor | None = None, **inputs: Tensor) -> Tensor:
        """Return the last layer's state of each token, in float32: (batch, tokens) → (batch, tokens, hidden_size).

        An encoder-decoder reads the text with both halves (Lewis et al. 2020, arXiv:1910.13461, fig. 3): the states are
        the decoder's, which is given the text one place later, or the ``decoder_input_ids`` among ``inputs``.

        ``question`` (batch, tokens) is 1 for each token of a question, where answers stand behind the questions. It is
        for bodies that answer each question in its own way, and say so (``reads_question``); others are not given it.
        """

        def compute() -> Tensor:
            return self._states(attention_mask, question, **inputs)

        return compute() if question is not None else self._known(compute, attention_mask, inputs)

    def complete(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return what the body reads of ``inputs``: for an encoder-decoder also what its decoder is given."""
        return completed(getattr(self.body, "config", None), inputs)

    def features(self, attention_mask: Tensor, **inputs: Tensor) -> Tensor:
        """Return one feature vector for each text: (batch, tokens) → (batch, hidden_size)."""

        def compute() -> Tensor:
            return self.pool(self._states(attention_mask, **inputs), attention_mask)

        return self._known(compute, attention_mask, inputs, self.pooling)

    def pool_prompt(self, virtual: bool) -> None:
        """Let the states that the body returns be those of a prompt's virtual tokens too, or of the text alone."""
        body: Any = self.body
        body.shows_prompt = virtual

    def pool(self, states: Tensor, attention_mask: Tensor) -> Tensor:
        """Return one vector for each text: (batch, tokens, hidden_size) → (batch, hidden_size).

        There may be more states than the mask has tokens: those of virtual tokens come first, and count.
        """
        virtual = attention_mask.new_ones(len(states), states.shape[1] - attention_mask.shape[1])
        attention_mask = torch.cat([virtual, attention_mask], dim=1)
        if self.pooling == "mean":
            mask = attention_mask.unsqueeze(-1).to(states.dtype)  # (batch, tokens, 1)
            return (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        order = torch.arange(attention_mask.shape[1], device=states.device)
        weight = order if self.pooling == "last" else -order + len(order)
        chosen = (weight * attention_mask).argmax(dim=1)  # (batch,), right whichever side is padded
        return states[torch.arange(len(states), device=states.device), chosen]

    def autocast(self, device: str) -> AbstractContextManager[Any]:
        """Return the context in which the body computes in this model's precision."""
        return torch.autocast(device, dtype=torch.bfloat16, enabled=self.precision == "bf16")

    def _states(self, attention_mask: Tensor, question: Tensor | None = None, **inputs: Tensor) -> Tensor:
        read = self.complete(inputs)
        if question is not None and getattr(self.body, "reads_question", False):
            read = {**read, "question": question}
        with self.autocast(attention_mask.device.type):
            states: Tensor = self.body(attention_mask=attention_mask, **read).last_hidden_state
        return states.float()

    def _known(
        self, compute: Callable[[], Tensor], attention_mask: Tensor, inputs: Mapping[str, Tensor], *how: str
    ) -> Tensor:
        """Return what ``compute`` makes of a batch, or what it made before where that is kept."""
        if self.body_key is None or self.body.training or torch.is_grad_enabled():
            return compute()
        device, read = attention_mask.device, {"attention_mask": attention_mask, **inputs}
        batch = batch_key(read, self.precision, device, torch.get_num_threads(), *how)
        return FEATURES.get(self.body_key, batch, compute).to(device)


def to_accelerator(module: nn.Module) -> None:
    """Move a module to the machine's accelerator, where there is one and processes do not share its weights."""
    if (device := accelerator()).type != "cpu" and not shards():
        module.to(device)


def completed(config: Any, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return what a body with this config reads of ``inputs``, see :meth:`Network.complete`."""
    if not getattr(config, "is_encoder_decoder", False) or "decoder_input_ids" in inputs:
        return inputs
    return {**inputs, "decoder_input_ids": shifted(inputs["input_ids"], config.decoder_start_token_id)}


def shifted(ids: Tensor, start: int) -> Tensor:
    """Return the decoder inputs for the targets ``ids`` (batch, tokens): shifted right by one, after ``start``."""
    return torch.cat([torch.full_like(ids[:, :1], start), ids[:, :-1]], dim=1)


@contextmanager
def features_kept(model: Network, backbone: Backbone, is_bare: bool = False) -> Iterator[None]:
    """Keep what the body of ``model`` gives for the batches of the block, and take what was kept before.

    Features of a body that is proven to have the pretrained weights serve later blocks too; where there is no proof
    (on an accelerator, or of a quantised backbone), they are dropped at the end of the block.

    Args:
        model: its body does not change in the block.
        backbone: that the body is of.
        is_bare: the body was just loaded, and nothing was put on it: that is proof enough.
    """
    proven = is_bare or backbone.is_untouched(model.body)
    body = backbone.identity if proven else uuid4().hex
    before, model.body_key = model.body_key, body
    try:
        yield
    finally:
        model.body_key = before
        if not proven:
            FEATURES.forget(body)
