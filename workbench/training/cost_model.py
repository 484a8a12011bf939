"""What memory a training step will take, from the model's config alone: nothing is loaded.

With P parameters, of which T are trained, t tokens in a batch (batch × length, padding included), hidden size h, inner
size f, key-value width k, a attention heads, length s, and e bytes a number (4, or 2 inside a bf16 autocast region):

weights       4 P bytes; of a quantised backbone the linear layers take 4.127 bits (nf4) or 8 bits (int8) a weight, and
              2 bytes where they are frozen, stored in bfloat16 and stay so (:mod:`.bf16_matrices`)
gradients     4 T
optimiser     8 T (two moments of AdamW in 32 bits); in 8 bits 2.03 for each trained number (a byte each, and a 32-bit
              scale for each 256), but 8 for those of embeddings and of tensors under 4,096 numbers, which stay in 32
casts         2 bytes for each weight of a linear layer that is in float32, in bf16: kept from forward to backward pass
activations   for each layer through which gradients pass, bytes a token, after Korthikanti et al. 2022
              (arXiv:2205.05198, § 4.1), who count full fine-tuning in 16 bits, with dropout, as 34 h + 5 a s:

              attention    fused: e (2 h + 2 k) + 4 a. Not fused (dropout on the scores, or T5's positions): 12 h, and
                           4 a s for each map of scores, 3 with dropout (scores, mask, both multiplied), 1 without
              norms        2 · 4 h (what they read, in 32 bits); RMSNorm whose gain is trained keeps as much again
              dropout      2 · e h, where there is some
              activation   e f; gated: 3 e f (gate, its activation, what it multiplies); its product e f if that is read
                           by a matrix that is trained
              inputs       e · in_features for each matrix that is trained: all of them in full fine-tuning, only A and
                           B of LoRA. In 32 bits, matrices that read the same tensor keep it once

                           (LLM.int8() keeps what each of its matrices reads, trained or not.)

              A frozen backbone keeps no inputs of its own matrices: that is what adapters save. Where nothing in the
              body is trained (head), nothing is kept at all.
logits        3 · 4 · vocabulary for each token with a loss of its own (logits, their softmax, the gradient)
working       of the layer at work: max(4 (3 a s + 4 h), 4 (2 f + 2 h)) t; fused: without the scores;
              of a quantised backbone the largest matrix as well, unpacked to 32 bits, and so of one in bfloat16 that
              computes in fp32

The peak is weights + optimiser + max(activations + casts + logits + working, gradients): activations are freed as
gradients come to be, so both are never there in full. With gradient checkpointing, activations are what each layer
reads (4 h bytes a token), and what one layer keeps, casts included, is there all the time; the layer at work then has
one map of scores more, not three. The model holds where tensors
dominate, not for models of a few hundred kilobytes; what the C library keeps of freed blocks comes on top on a
processor (:data:`LEFT_OVER`). Fused attention kernels of a GPU keep no scores, so there it is an upper bound.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import nn

from adapter_workbench.workbench.backbone.architecture import new_model
from adapter_workbench.workbench.backbone.bf16_matrices import stay_narrow
from adapter_workbench.workbench.backbone.quantisation import KEPT
from adapter_workbench.workbench.backbone.shape import shape_of
from adapter_workbench.workbench.errors import InputError, reason
from adapter_workbench.workbench.methods.adaptation import can_stay_narrow
from adapter_workbench.workbench.methods.libraries import LIBRARIES
from adapter_workbench.workbench.methods.method import FitLength
from adapter_workbench.workbench.methods.methods import METHODS

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from adapter_workbench.workbench.backbone.shape import Shape
    from adapter_workbench.workbench.machine.device import Precision
    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.settings.base import MethodSettings, Optimizer, Quantization, StoredWidth

MB = 1e6
BITS: dict[Quantization | None, float] = {None: 32, "nf4": 4 + 8 / 64 + 32 / (64 * 256), "int8": 8}
STATES: dict[Optimizer, float] = {"adamw": 8, "adamw-8bit": 2 + 2 * 4 / 256, "paged-adamw-8bit": 2 + 2 * 4 / 256}
SMALLEST_IN_8_BITS = 4096  # numbers of a tensor, of which bitsandbytes keeps the moments in 8 bits
PARTS = (
    *("weights", "gradients", "optimizer", "activations", "recomputed", "casts", "logits", "working"),
    *("step", "peak"),
)
LEFT_OVER = 0.25  # of a step, under glibc 2.41: measured 0.21 to 0.32 on MiniLM (docs/explanations/cost.md)
ADDED = ("lora_A", "lora_B", "adapters", "prompt_encoder")  # modules that a method has put there
LAYER = re.compile(r"\b(?:layer|layers|block|h)\.(\d+)\.")
SAME_INPUT = re.compile(r"\b(query|key|value|q_proj|k_proj|v_proj|gate_proj|up_proj|wi_0|wi_1|[qkv])\b")


@dataclass(frozen=True)
class Prediction:
    """Bytes of each part of a training step; see the module's docstring."""

    parameters: int  # of the body, the method's own included
    trainable: int  # how many of them are trained; the head's are not counted
    weights: float
    gradients: float
    optimizer: float
    activations: float
    casts: float
    logits: float
    working: float
    recomputed: float = 0

    @property
    def step(self) -> float:
        """What a step takes beyond the weights, at its highest."""
        forward = self.activations + self.casts + self.logits + self.working
        return self.optimizer + self.recomputed + max(forward, self.gradients)

    @property
    def peak(self) -> float:
        """Weights and step."""
        return self.weights + self.step

    def as_json(self) -> dict[str, float]:
        """Return counts, and every part in MB (10⁶ bytes)."""
        counts = {"parameters": self.parameters, "trainable_parameters": self.trainable}
        return {**counts, **{f"{name}_mb": round(getattr(self, name) / MB, 1) for name in PARTS}}


@dataclass(frozen=True)
class Workload:
    """One training step: of which method on which model, and on how many tokens."""

    config: PretrainedConfig
    method: str
    settings: MethodSettings
    precision: Precision
    batch_size: int
    length: int
    quantization: Quantization | None = None
    label_tokens: int = 0  # tokens of the batch with a loss of their own; 0 where there is a head of labels
    checkpointing: bool = False  # whether activations are computed again
    stored_in_bf16: bool = False  # whether the checkpoint has the backbone's matrices in bfloat16
    weights: StoredWidth = "auto"  # whether they stay so, as the budget says
    # the body with the method on it, where there is one, not quantised; else it is made without memory
    adapted: nn.Module | None = field(default=None, compare=False, repr=False)

    def predict(self) -> Prediction:
        """Return what the step takes.

        Raises:
            InputError: the config is not that of a transformer whose shape is known, or the method's library needs the
                weights themselves.
        """
        shape, tokens = shape_of(self.config), self.batch_size * self.length
        trained = self._trained_parameters
        count = sum(parameter.numel() for _, parameter in trained)
        depth = self._depth(shape, [name for name, _ in trained])
        output = 4 * shape.vocabulary * shape.hidden if self.label_tokens else 0
        kept_numbers = tokens * (depth * self._kept_a_layer(shape) + self._inputs(trained))
        casts = 2.0 * self._linear * depth / shape.layers if self._number == 2 and not self._narrow else 0.0
        again = self.checkpointing and depth > 0
        return Prediction(
            parameters=sum(parameter.numel() for parameter in self._body.parameters()),
            trainable=count,
            weights=self._weights() + output,
            gradients=4.0 * count,
            optimizer=self._states(trained),
            activations=4.0 * tokens * depth * shape.hidden if again else kept_numbers,
            casts=0.0 if again else casts,
            logits=3.0 * 4 * self.label_tokens * shape.vocabulary,
            working=tokens * self._working(shape) + self._unpacked_bytes,
            recomputed=(kept_numbers + casts) / depth if again else 0.0,
        )

    @classmethod
    def of(cls, adaptation: Adaptation, batch_size: int, length: int, label_tokens: int = 0, **others: Any) -> Self:
        """Return the training step of an adaptation; ``others`` are further fields."""
        return cls(
            config=adaptation.backbone.config,
            method=adaptation.method,
            settings=adaptation.settings,
            precision=adaptation.precision,
            batch_size=batch_size,
            length=length,
            quantization=adaptation.backbone.quantization,
            label_tokens=label_tokens,
            stored_in_bf16=adaptation.backbone.stored_in_bf16,
            weights=adaptation.backbone.weights,
            **others,
        )

    @cached_property
    def _body(self) -> nn.Module:
        """The adapted body as a fit trains it, without any memory behind it where there is none yet."""
        if self.adapted is not None:
            return self.adapted
        card = METHODS.get(self.method)
        with torch.device("meta"):
            body, library_config = new_model(self.config), card.configure(self.settings, self.config)
            try:
                adapted = LIBRARIES.get(card.library).attach(body, library_config)
            except (RuntimeError, NotImplementedError) as error:  # boft and shira compute with the weights
                message = f"the cost of {self.method} is not known before the weights are read ({reason(error)})"
                raise InputError(message, hint="`workbench compare` measures it on the model itself.") from None
            with suppress(RuntimeError):  # from hooks that read weights: these train nothing besides
                card.hooks(self.settings, adapted, FitLength(total=1, epoch=1))
        card.freeze(adapted)
        return adapted

    @property
    def _trained_parameters(self) -> list[tuple[str, nn.Parameter]]:
        return [(name, parameter) for name, parameter in self._body.named_parameters() if parameter.requires_grad]

    @cached_property
    def _matrices(self) -> list[nn.Linear]:
        """The backbone's linear layers: those that are packed, or cast."""
        return [
            module
            for name, module in self._body.named_modules()
            if isinstance(module, nn.Linear) and not {*KEPT, *ADDED} & set(name.split("."))
        ]

    @property
    def _linear(self) -> int:
        return sum(module.weight.numel() for module in self._matrices)

    def _weights(self) -> float:
        total = sum(parameter.numel() for parameter in self._body.parameters())
        bits = 16 if self._narrow else BITS[self.quantization]
        return 4.0 * (total - self._linear) + bits / 8 * self._linear

    @property
    def _narrow(self) -> bool:
        """Whether the backbone's matrices stay in bfloat16."""
        can = can_stay_narrow(METHODS.get(self.method), self.precision) and self.stored_in_bf16
        return can and not self.quantization and stay_narrow(self.weights, self.precision, self.config)

    def _states(self, trained: list[tuple[str, nn.Parameter]]) -> float:
        looked_up = {id(module.weight) for module in self._body.modules() if isinstance(module, nn.Embedding)}
        return sum(
            (8 if id(p) in looked_up or p.numel() < SMALLEST_IN_8_BITS else STATES[self.settings.optimizer]) * p.numel()
            for _, p in trained
        )

    def _depth(self, shape: Shape, names: list[str]) -> int:
        """Return through how many layers gradients pass: those above the lowest weight that is trained."""
        matches = [LAYER.search(name) for name in names if "pooler" not in name]
        if not matches:
            return 0
        return shape.layers - min(int(match[1]) if match else 0 for match in matches)

    def _kept_a_layer(self, shape: Shape) -> float:
        h, f, e = shape.hidden, shape.inner, self._number
        fused = e * (2 * h + 2 * shape.key_value) + 4 * shape.heads
        attention = 12 * h + 4 * shape.maps * shape.heads * self.length if shape.maps else fused
        norms = 8 * h * (2 if shape.rms and METHODS.get(self.method).trains_backbone else 1)
        dropout = 2 * e * h if shape.dropout else 0
        return attention * shape.attentions / shape.layers + norms + dropout + (3 if shape.gated else 1) * e * f

    def _inputs(self, trained: list[tuple[str, nn.Parameter]]) -> float:
        """Return the bytes a token that matrices in the layers keep of what they read."""
        reading = self._body.named_parameters() if self.quantization == "int8" and trained else trained
        matrices = {name: p for name, p in reading if p.ndim == 2 and LAYER.search(name)}
        if self.precision == "bf16":
            return sum(2.0 * p.shape[1] for p in matrices.values())
        once = {(SAME_INPUT.sub("*", name), p.shape[1]) for name, p in matrices.items()}
        return sum(4.0 * width for _, width in once)

    @property
    def _unpacked_bytes(self) -> float:
        widened = self._narrow and self.precision == "fp32"
        return 4.0 * max(module.weight.numel() for module in self._matrices) if self.quantization or widened else 0

    def _working(self, shape: Shape) -> float:
        maps = 1 if self.checkpointing else 3
        scores = maps * shape.heads * self.length if shape.maps else 0
        return 4.0 * max(scores + 4 * shape.hidden, 2 * shape.inner + 2 * shape.hidden)

    @property
    def _number(self) -> int:
        return 2 if self.precision == "bf16" and not self.quantization else 4
