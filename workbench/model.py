"""A task's model: the adapted backbone, what the task's kind reads off it, and the head."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from workbench import processes

if TYPE_CHECKING:
    from workbench.backbone import Pooling
    from workbench.kind import Kind
    from workbench.prompts import Demonstrations

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class Batch:
    """What a penalty may look at.

    Attributes:
        model: in training.
        read: what the head sees, as the kind reads it.
        remembered: logits that the rows brought with them (batch, logits), NaN where a row has none; None without any.
    """

    model: TaskModel
    read: Tensor
    remembered: Tensor | None


Penalty = Callable[[Batch], Tensor]


class TaskModel(nn.Module):
    """Token states → what the kind reads off them (a feature vector a text, or each token's state) → logits.

    Body and head stand on the machine's accelerator (:func:`accelerator`).

    Attributes:
        body: the backbone with a method's weights on it.
        head: what the kind reads (…, hidden_size) → logits (…, labels).
        kind: the task's kind: what is read, the loss, how an answer is made.
        pooling: ``mean`` over tokens, ``first`` token or ``last`` token.
        precision: the arithmetic of the body; pooling and head always compute in float32.
        penalty: added to the loss while the model trains, where there is one: a method's regulariser, or what keeps a
            stream's earlier tasks.
    """

    accepts_loss_kwargs = False  # read by Trainer: the loss is a mean, not to be rescaled

    def __init__(self, body: nn.Module, head: nn.Module, kind: Kind, pooling: Pooling, precision: Precision) -> None:
        """Put the parts together; nothing is copied, but where the accelerator has memory of its own."""
        super().__init__()
        self.body, self.head = body, head
        self.kind, self.pooling, self.precision = kind, pooling, precision
        self.penalty: Penalty | None = None
        if shown := getattr(body, "demonstrations", ()):
            self.demonstrate(shown)
        if (device := accelerator()).type != "cpu":
            self.to(device)

    def under(self, head: nn.Module) -> TaskModel:
        """Return the same body, in evaluation mode, under another head."""
        return TaskModel(self.body, head, self.kind, self.pooling, self.precision).eval()

    def demonstrate(self, shown: Demonstrations) -> None:
        """Put solved examples before every question; for bodies of the library ``prompting``, which stores them."""
        body: Any = self.body
        body.demonstrations = shown
        self.kind = replace(self.kind, demonstrations=shown)  # type: ignore[type-var]  # causal-lm is a dataclass

    def states(self, attention_mask: Tensor, **inputs: Tensor) -> Tensor:
        """Return the last layer's state of each token, in float32: (batch, tokens) → (batch, tokens, hidden_size).

        An encoder-decoder reads the text with both halves (Lewis et al. 2020, arXiv:1910.13461, fig. 3): the states are
        the decoder's, which is given the text one place later, or the ``decoder_input_ids`` among ``inputs``.
        """
        with self.autocast(attention_mask.device.type):
            found: Tensor = self.body(attention_mask=attention_mask, **self.complete(inputs)).last_hidden_state
        return found.float()

    def complete(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return what the body reads of ``inputs``: for an encoder-decoder also what its decoder is given."""
        config: Any = getattr(self.body, "config", None)
        if not getattr(config, "is_encoder_decoder", False) or "decoder_input_ids" in inputs:
            return inputs
        return {**inputs, "decoder_input_ids": shifted(inputs["input_ids"], config.decoder_start_token_id)}

    def features(self, attention_mask: Tensor, **inputs: Tensor) -> Tensor:
        """Return one feature vector for each text: (batch, tokens) → (batch, hidden_size)."""
        return self.pool(self.states(attention_mask, **inputs), attention_mask)

    def pool(self, states: Tensor, attention_mask: Tensor) -> Tensor:
        """Return one vector for each text: (batch, tokens, hidden_size) → (batch, hidden_size)."""
        if self.pooling == "mean":
            mask = attention_mask.unsqueeze(-1).to(states.dtype)  # (batch, tokens, 1)
            return (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        order = torch.arange(attention_mask.shape[1], device=states.device)
        weight = order if self.pooling == "last" else -order + len(order)
        chosen = (weight * attention_mask).argmax(dim=1)  # (batch,), right whichever side is padded
        return states[torch.arange(len(states), device=states.device), chosen]

    def forward(
        self,
        labels: Tensor | None = None,
        group: Tensor | None = None,
        remembered: Tensor | None = None,
        **inputs: Tensor,
    ) -> dict[str, Tensor]:
        """Return ``logits`` (batch, labels; or as the kind reads) and, where labels are given, the mean ``loss``.

        ``group`` (batch,) says which of several heads answers a row (:class:`workbench.heads.Heads`).
        """
        read, labels = self.kind.read(self, inputs, labels)
        logits = self.head(read) if group is None else self.head(read, group)
        if labels is None:
            return {"logits": logits}
        loss = self.kind.loss(logits, labels)
        if self.training and self.penalty:
            loss = loss + self.penalty(Batch(self, read, remembered))
        return {"loss": loss, "logits": logits}

    def trainable(self) -> dict[str, nn.Parameter]:
        """Return the parameters that a fit changes, by name."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    def autocast(self, device: str) -> AbstractContextManager[Any]:
        """Return the context in which the body computes in this model's precision."""
        return torch.autocast(device, dtype=torch.bfloat16, enabled=self.precision == "bf16")


def shifted(ids: Tensor, start: int) -> Tensor:
    """Return what a decoder reads to say ``ids`` (batch, tokens): the same one place later, after ``start``."""
    return torch.cat([torch.full_like(ids[:, :1], start), ids[:, :-1]], dim=1)


def accelerator() -> torch.device:
    """Return where models compute: on the machine's accelerator (CUDA, MPS, …), else on the processor.

    Of several devices it is the first; processes that share a training have one each.
    """
    found = torch.accelerator.current_accelerator(check_available=True)
    if found is None:
        return torch.device("cpu")
    return torch.device(found.type, processes.place() % torch.accelerator.device_count())


@cache
def resolve_precision(precision: Literal["auto", "fp32", "bf16"]) -> Precision:
    """Return what ``auto`` means here: bf16 where the hardware multiplies bfloat16 faster than float32, else fp32.

    AMX does, and so do Arm's units and AMD's for AVX512-BF16. With Intel's alone, where a machine hides AMX from its
    guests, a fit takes longer than in float32. Read off the processor's name and not timed: a run that goes on must
    find what it began with.
    """
    if precision != "auto":
        return precision
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    processor: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    vectors = processor.get("avx512_bf16") and not str(processor.get("cpu_name", "")).startswith("Intel")
    return "bf16" if processor.get("amx_bf16") or vectors or processor.get("bf16") else "fp32"
