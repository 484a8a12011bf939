"""Matrices of linear layers in bfloat16, where the checkpoint has them so and they are frozen.

Inside an autocast region, a linear layer rounds its weights to bfloat16 before it multiplies: of weights that were
bfloat16 when they were stored, the result is the same to the last bit whether they were widened in between or not.
Kept as they are, they take half the memory, and nothing is cast in each pass. Where the arithmetic is in float32, they
take half the memory as well, and are widened in each pass (:mod:`.load_widened`), which takes time.
So there it is done where memory is short. Whatever else a model has (embeddings, norms, biases) is in float32, and so
is all that is trained.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import nn

from adapter_workbench.workbench.backbone.architecture import skeleton
from adapter_workbench.workbench.backbone.quantisation import KEPT
from adapter_workbench.workbench.machine.memory import installed_bytes

Body = TypeVar("Body", bound=nn.Module)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PretrainedConfig

    from adapter_workbench.workbench.backbone.stored_tensors import Assignment
    from adapter_workbench.workbench.machine.device import Precision
    from adapter_workbench.workbench.settings.base import StoredWidth

LARGE = 0.5  # of the memory: a backbone that takes more in float32 stays as it is stored


def stay_narrow(weights: StoredWidth, precision: Precision, config: PretrainedConfig) -> bool:
    """Return whether frozen matrices that are stored in bfloat16 stay so.

    ``auto`` keeps them where the arithmetic is bfloat16, and where the whole model in float32 would take more than
    half of the memory that is installed. In float32 those of encoder-decoders never stay: T5 rounds what a layer reads
    to the type of its weights.

    Args:
        weights: what the budget says.
        precision: of the arithmetic.
        config: of the backbone.
    """
    if precision == "fp32" and config.is_encoder_decoder:
        return False
    if weights != "auto" or precision == "bf16":
        return weights != "fp32"
    numbers = sum(parameter.numel() for parameter in skeleton(config).parameters())
    return 4 * numbers > LARGE * (installed_bytes() or float("inf"))


def kept_narrow(model: nn.Module, parts: Assignment) -> frozenset[str]:
    """Return the names of the parameters of ``model`` that can stay in bfloat16, as ``parts`` says they are stored."""
    linear = (name for name, module in model.named_modules() if isinstance(module, nn.Linear))
    matrices = {f"{name}.weight" for name in linear if not {*KEPT} & set(name.split("."))}
    return frozenset(name for name, tensor in parts.parameters.items() if name in matrices and tensor.type == "BF16")


@contextmanager
def shown_in_float32(body: nn.Module) -> Iterator[None]:
    """Let narrow matrices look like zeros in float32 for a while; they take no memory.

    Libraries give new weights the type of the matrix beside them; bfloat16 would round the numbers that they draw.
    """
    narrow = [(parameter, parameter.data) for parameter in _narrow(body)]
    for parameter, content in narrow:
        parameter.data = torch.zeros((), dtype=torch.float32, device=content.device).expand(content.shape)
    try:
        yield
    finally:
        for parameter, content in narrow:
            parameter.data = content


def widen(body: Body) -> Body:
    """Put every matrix of ``body`` into float32, in place, and return it: an update is written into them."""
    for parameter in _narrow(body):
        parameter.data = parameter.data.float()
    return body


def _narrow(body: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in body.parameters() if parameter.dtype is torch.bfloat16]
