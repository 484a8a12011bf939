"""Compacter: Houlsby adapters whose projections are sums of Kronecker products with a factor shared by all layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods._adapters import BottleneckSettings, lacks_architecture, package_config
from adapter_workbench.workbench.settings.bounds import Reduction, Size

if TYPE_CHECKING:
    from transformers import PretrainedConfig


class CompacterSettings(BottleneckSettings):
    """A projection is Σᵢ Aᵢ ⊗ (sᵢ tᵢ) over i = 1 … ``phm_dim``.

    The matrices Aᵢ (``phm_dim`` × ``phm_dim``) are shared by all layers, and sᵢ tᵢ has rank ``phm_rank``; so thin a
    factor makes a wide bottleneck cheap.
    """

    reduction_factor: Reduction = 8
    phm_dim: int = Field(4, ge=1, le=64)
    phm_rank: Size = 1


def objection(settings: CompacterSettings, config: PretrainedConfig, kind: str) -> str | None:
    """Say so where n does not divide the sizes that a projection is between, or the architecture is not known."""
    sizes = config.hidden_size, int(config.hidden_size // settings.reduction_factor)
    if any(size % settings.phm_dim or not size for size in sizes):
        return f"phm_dim {settings.phm_dim} has to divide hidden size and bottleneck size, which are {sizes}"
    return lacks_architecture(settings, config, kind)


METHOD = Method(
    title="Compacter",
    paper="Karimi Mahabadi et al. 2021, arXiv:2106.04647, eq. 4–5",
    library="adapters",
    settings=CompacterSettings,
    configure=package_config("compacter"),
    objection=objection,
)
