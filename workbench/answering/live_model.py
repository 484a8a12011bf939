"""A model that another program is training, asked as it is: nothing is copied, moved or left otherwise than it was."""

from __future__ import annotations

import random
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from adapter_workbench.workbench.answering.elsewhere.label_names import labels_of
from adapter_workbench.workbench.backbone.architecture import is_causal, is_seq2seq
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.model import TaskModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter_workbench.workbench.backbone.pretrained import Pooling
    from adapter_workbench.workbench.methods.kind import Kind

PROBE = [[1, 2, 3]]  # token ids
ROUNDING = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}  # relative, of logits in that arithmetic


@dataclass(frozen=True)
class LiveParts:
    """The parts of a model in training that are asked."""

    whole: nn.Module  # the model as transformers made it, with its head; what peft put on it is in its layers
    body: nn.Module  # what is below the head
    # in which a forward pass of the training multiplies where the weights are float32; None for theirs
    arithmetic: torch.dtype | None

    @classmethod
    def of(cls, model: Any, arithmetic: torch.dtype | None = None) -> LiveParts:
        """Return the parts of a model of transformers, or of one that peft has wrapped.

        Raises:
            InputError: it is neither, is an encoder-decoder, or has a prompt that is learned.
        """
        if getattr(model, "active_peft_config", None) and model.active_peft_config.is_prompt_learning:
            raise InputError("a model with a learned prompt is not measured in training", hint=LATER)
        whole = model.get_base_model() if hasattr(model, "get_base_model") else model
        body = getattr(whole, "base_model", None)
        if not isinstance(body, nn.Module) or not hasattr(whole, "config"):
            raise InputError(f"{type(model).__name__} is not a model of transformers", hint=LATER)
        if is_seq2seq(whole.config):
            raise InputError("an encoder-decoder is not measured in training", hint=LATER)
        return cls(whole, body, arithmetic)

    @property
    def pooling(self) -> Pooling:
        """How token states become a text's vector: as for a backbone of this architecture that states nothing."""
        return "last" if self.generates or is_causal(self.body.config) else "mean"

    @property
    def generates(self) -> bool:
        """Whether it is a causal language model."""
        return type(self.whole).__name__.endswith(("ForCausalLM", "LMHeadModel"))

    def labels(self) -> tuple[str, ...]:
        """Return the labels that the model's own head names, in the order of its logits; none where it has none.

        Raises:
            InputError: its config does not name each number from 0.
        """
        config: Any = self.whole.config
        classifies = type(self.whole).__name__.endswith("ForSequenceClassification")
        named = classifies and getattr(config, "problem_type", None) not in ("regression", "multi_label_classification")
        stated = {str(number): str(label) for number, label in config.id2label.items()}
        return labels_of({"id2label": stated}, type(self.whole).__name__) or () if named else ()


LATER = "Measure its checkpoints after the training: workbench examine BASE CHECKPOINT…"


class LiveModel(TaskModel):
    """A live body under a head, as a kind of task asks it."""

    def __init__(self, parts: LiveParts, head: nn.Module, kind: Kind) -> None:
        nn.Module.__init__(self)  # the constructor of a network moves its parts to the machine's accelerator
        self.body, self.head, self.kind = parts.body, head, kind
        self.pooling, self.precision = parts.pooling, "fp32"
        self.arithmetic = parts.arithmetic
        self.penalty, self.correction = None, None

    def autocast(self, device: str) -> AbstractContextManager[Any]:
        """Return the context in which the body computes as in the training."""
        return torch.autocast(device, dtype=self.arithmetic, enabled=self.arithmetic is not None)


class OwnHead(LiveModel):
    """A live classifier with the head that it is trained with."""

    def __init__(self, parts: LiveParts, kind: Kind, columns: Sequence[int]) -> None:
        """``columns``: which of the model's logits belongs to each label of the task, in its order."""
        super().__init__(parts, nn.Identity(), kind)
        self.whole, self.columns = parts.whole, [*columns]

    def forward(self, labels: Tensor | None = None, **inputs: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        """Return the model's own ``logits`` (batch, labels), in the order of the task's labels."""
        with self.autocast(inputs["input_ids"].device.type):
            logits: Tensor = self.whole(**inputs).logits
        return {"logits": logits.float()[:, self.columns]}


class OwnOutput(nn.Module):
    """The output layer of a live language model, as it stands: states (…, hidden_size) → logits (…, vocabulary)."""

    def __init__(self, layer: nn.Module) -> None:
        """Take over ``layer``; nothing is copied."""
        super().__init__()
        self.layer = layer

    def forward(self, states: Tensor) -> Tensor:
        """Return the logits in float32; they are computed in the layer's own type."""
        logits: Tensor = self.layer(states.to(next(self.layer.parameters()).dtype))
        return logits.float()


def own_output(parts: LiveParts) -> OwnOutput:
    """Return the output layer of a live language model.

    Raises:
        InputError: the model has none, or its logits are not what that makes of the last states.
    """
    whole: Any = parts.whole
    layer = whole.get_output_embeddings() if parts.generates else None
    if layer is None:
        raise InputError(f"{type(whole).__name__} is not a causal language model", hint="It generates no answers.")
    head, ids = OwnOutput(layer), torch.tensor(PROBE, device=next(layer.parameters()).device)
    with torch.no_grad():
        expected = whole(input_ids=ids).logits.float()
        logits = head(parts.body(input_ids=ids).last_hidden_state)
    if not torch.allclose(logits, expected, rtol=ROUNDING.get(next(layer.parameters()).dtype, 5e-2), atol=1e-2):
        message = f"{type(whole).__name__} does not compute its logits by one linear layer on its last states"
        raise InputError(message, hint="Such a model (scaled or capped logits) is not measured in training.")
    return head


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Ask ``model`` in the block, in evaluation mode; after it the training goes on as if nobody had.

    The mode of each module and all generators of random numbers are as before; no gradient is kept or added.
    """
    training = [module for module in model.modules() if module.training]
    with restored_generators():
        model.eval()
        try:
            yield
        finally:
            for module in training:
                module.training = True


@contextmanager
def restored_generators() -> Iterator[None]:
    """Put the global generators of Python, numpy and torch, on every device, back to where they were, after the block.

    A generator that somebody made for themselves is not global.
    """
    import numpy as np
    import torch

    python, legacy, processor = random.getstate(), np.random.get_state(), torch.get_rng_state()
    device = torch.accelerator.current_accelerator(check_available=True)
    module: Any = None if device is None else torch.get_device_module(device)
    count = module.device_count() if module else 0
    devices = [()] if count == 1 else [(index,) for index in range(count)]  # MPS, which has one, takes no number
    states = [(index, module.get_rng_state(*index)) for index in devices]
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)
        torch.set_rng_state(processor)
        for index, state in states:
            module.set_rng_state(state, *index)
