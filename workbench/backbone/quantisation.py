"""Backbones whose linear layers are kept in 4 or 8 bits, by bitsandbytes.

``nf4``: 4-bit NormalFloat with double quantisation (Dettmers et al. 2023, arXiv:2305.14314, § 3): 4 bits a weight, an
8-bit scale for each block of 64 weights, a 32-bit scale for each 256 of those: 4 + 8/64 + 32/(64·256) = 4.127 bits.
``int8``: LLM.int8() (Dettmers et al. 2022, arXiv:2208.07339): 8 bits a weight and a 32-bit scale a row; input features
with outliers are multiplied in 16 bits. Embeddings, norms, biases and a pooler stay in float32.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor, nn
    from transformers import BitsAndBytesConfig

    from adapter_workbench.workbench.settings.base import Quantization

# bitsandbytes recommends a package that fetches and runs code from the hub, and tells of each cast to 16 bits
logging.getLogger("bitsandbytes").setLevel(logging.CRITICAL)

KEPT = ["pooler"]  # often not in a checkpoint; without this list, transformers would keep the last module instead

READS_FLOAT32 = "reads_float32"  # the attribute of a layer that has the hook; copies of the layer have both
SCALES = ("weight.", "SCB")  # what a packed layer's state holds beside its weight and bias


def packing(quantization: Quantization, outside: Sequence[str] = ()) -> BitsAndBytesConfig:
    """Return how transformers has to load a backbone's weights.

    Args:
        quantization: in how many bits.
        outside: names of the layers above the backbone, which stay as wide as they are.
    """
    import torch
    from transformers import BitsAndBytesConfig

    if quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=[*KEPT, *outside])
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
        llm_int8_skip_modules=[*KEPT, *outside],
    )


def keep_as_packed(body: nn.Module) -> nn.Module:
    """Return ``body``, changed so that running it does not alter its packed weights.

    bitsandbytes 0.50 does so in two places. On processors with AVX512-BF16 a 4-bit layer that runs in evaluation mode
    turns its weights into another layout, through which no gradient comes back when training goes on after it. And
    an 8-bit layer casts its bias to the type of whatever it reads. Libraries put layers of their own in the place of
    some, so this is to be done again after they have.
    """
    from bitsandbytes.nn import Linear4bit, Linear8bitLt

    for module in body.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False
        elif isinstance(module, Linear8bitLt) and not getattr(module, READS_FLOAT32, False):
            module.register_forward_pre_hook(_in_float32)
            setattr(module, READS_FLOAT32, True)
    return body


def parameters(body: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the named numbers that ``body`` consists of: its parameters and, of packed ones, the scales as well."""
    yield from body.named_parameters()
    if getattr(body, "is_quantized", False):
        from bitsandbytes.nn import Linear4bit, Linear8bitLt

        for name, module in body.named_modules():
            state = module.state_dict() if isinstance(module, Linear4bit | Linear8bitLt) else {}
            yield from ((f"{name}.{key}", tensor) for key, tensor in state.items() if key.startswith(SCALES))


def _in_float32(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    return (given[0].float(), *given[1:])
