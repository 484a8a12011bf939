"""Checks of the GPU, of fast number types, and of quantisation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.finding import Finding, attempt
from adapter_workbench.workbench.backbone.quantisation import keep_as_packed
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.training import require_optimizer

if TYPE_CHECKING:
    from adapter_workbench.workbench.settings.base import Quantization


def device_findings() -> Iterator[Finding]:
    """Yield whether there is a GPU, and whether bfloat16 is fast."""
    import torch

    from adapter_workbench.workbench.machine.device import accelerator, resolve_precision

    device = accelerator().type
    gpu = device != "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else device
    detail = name if gpu else f"none; models run on {os.cpu_count()} processor cores"
    remedy = "" if gpu else "nothing to do: processors work; for a GPU, install the build of torch for its CUDA or ROCm"
    yield Finding("GPU", gpu, False, detail, remedy)
    fast = resolve_precision("auto") == "bf16"
    remedy = "" if fast else "nothing to do: fp32 gives the same scores, and bf16 would take longer here"
    yield Finding("bfloat16", fast, False, f"precision auto means {resolve_precision('auto')} here", remedy)


def quantisation_findings() -> Iterator[Finding]:
    """Yield whether backbones can be quantized, and optimizers use 8 bits or paging."""
    packed = "a bitsandbytes for this device (pip install -U bitsandbytes); without it leave budget.quantization out"
    moments = "leave optimizer at adamw, or get a bitsandbytes for this device (pip install -U bitsandbytes)"
    yield attempt("nf4 backbones", lambda: _gradient("nf4"), False, packed)
    yield attempt("int8 backbones", lambda: _gradient("int8"), False, packed)
    yield attempt("8-bit AdamW", _eight_bit_step, False, moments)
    yield attempt("paged AdamW", _paged_step, False, "leave optimizer at adamw; paging needs a CUDA GPU")


def _gradient(quantization: Quantization) -> str:
    """Multiply by a packed matrix there and back."""
    import torch
    from bitsandbytes.nn import Linear4bit, Linear8bitLt

    from adapter_workbench.workbench.machine.device import accelerator

    plain = torch.nn.Linear(64, 64)
    layer = (
        Linear4bit(64, 64, quant_type="nf4") if quantization == "nf4" else Linear8bitLt(64, 64, has_fp16_weights=False)
    )
    layer.load_state_dict(plain.state_dict())
    keep_as_packed(layer.to(accelerator()))
    inputs = torch.ones(2, 64, device=layer.weight.device, requires_grad=True)
    layer(inputs).sum().backward()
    expected = plain.weight.detach().sum(dim=0)
    error = (
        (inputs.grad[0].cpu() - expected).detach().norm() / expected.norm() if inputs.grad is not None else torch.inf
    )
    return f"budget.quantization={quantization} works; a gradient through a packed matrix is off by {float(error):.1%}"


def _eight_bit_step() -> str:
    import torch
    from bitsandbytes.optim import AdamW8bit

    from adapter_workbench.workbench.machine.device import accelerator

    weight = torch.nn.Parameter(torch.zeros(64, 64, device=accelerator()))
    weight.grad = torch.ones_like(weight)
    AdamW8bit([weight], lr=0.5).step()
    if not torch.allclose(
        weight, torch.full_like(weight, -0.5), rtol=0.01
    ):  # a first step of Adam is the learning rate
        raise InputError("a step gave wrong weights")
    return "optimizer=adamw-8bit works"


def _paged_step() -> str:
    require_optimizer("paged-adamw-8bit")
    return "optimizer=paged-adamw-8bit works"
