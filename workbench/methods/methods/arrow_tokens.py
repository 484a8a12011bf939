"""Arrow: several frozen LoRAs beside each matrix, of which every token is answered by those that respond to it most.

With v_e the unit vector to which LoRA e responds most (the first right singular vector of its ΔW), a token x is
answered by W x + Σ_e c_e ΔW_e x, c the softmax of |⟨x, v_e⟩| over the ``top_k`` largest (§ 3.2). Nothing is trained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.libraries.arrow import ArrowSettings
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.base import MethodSettings
from adapter_workbench.workbench.settings.bounds import Factor, Size

if TYPE_CHECKING:
    from transformers import PretrainedConfig


class Settings(MethodSettings):
    """How a token is routed; which LoRAs there are is what ``workbench fuse`` is given. There is nothing to learn."""

    learning_rate: float = 1.0
    top_k: Size = 3
    temperature: Factor = 1.0


def configure(settings: Settings, config: PretrainedConfig) -> ArrowSettings:
    """Return the library's configuration, without any sources yet."""
    return ArrowSettings(settings.top_k, settings.temperature)


METHOD = Method(
    title="Arrow",
    paper="Ostapenko et al. 2024, arXiv:2405.11157, § 3.2",
    library="arrow",
    settings=Settings,
    configure=configure,
    trains=False,
    composed=True,
)
