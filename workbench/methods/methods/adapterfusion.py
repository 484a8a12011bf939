"""AdapterFusion: attention, trained on the target, over the outputs of several frozen bottlenecks in each layer.

With h the layer's state (h,), a_n what adapter n adds to it, and one Q, K, V (h × h) a layer:
s = softmax(hᵀQ · K a_n over n), o = Σ_n s_n V a_n (eq. 1–3). V begins at the identity and is held near it by the
penalty λ ‖I − V‖².
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field

from adapter_workbench.workbench.methods.libraries.adapterfusion import FusionConfig, value_matrices
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.base import MethodSettings
from adapter_workbench.workbench.settings.bounds import Dropout, Weight

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn
    from transformers import PretrainedConfig


class Settings(MethodSettings):
    """How the fusion layer is trained; what it fuses are the adapters that ``workbench fuse`` is given."""

    learning_rate: float = 2e-3
    regularization: Weight = Field(0.01, description="λ of the penalty λ ‖I − V‖²")
    dropout: Dropout = Field(0.1, description="dropout on the attention scores, while training")


def configure(settings: Settings, config: PretrainedConfig) -> FusionConfig:
    """Return the library's configuration, without any sources yet."""
    return FusionConfig(settings.dropout)


def penalty(settings: Settings, body: nn.Module) -> Callable[[Any], Tensor]:
    """Return a function that gives λ Σ ‖I − V‖² over all fusion layers of ``body``, as they are when it is called."""

    def of(_: Any) -> Tensor:
        matrices = list(value_matrices(body))
        identity = torch.eye(len(matrices[0]), device=matrices[0].device)  # (h, h)
        return settings.regularization * torch.stack([(identity - matrix).pow(2).sum() for matrix in matrices]).sum()

    return of


METHOD = Method(
    title="AdapterFusion",
    paper="Pfeiffer et al. 2021, arXiv:2005.00247, eq. 1–3",
    library="adapterfusion",
    settings=Settings,
    configure=configure,
    composed=True,
)
