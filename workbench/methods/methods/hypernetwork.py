"""Hypernetwork: a small network makes each matrix of a LoRA from embeddings of the task and of the matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.libraries.hypernetwork import HypernetworkConfig
from adapter_workbench.workbench.methods.libraries.peft import needs_targets
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods import lora
from adapter_workbench.workbench.settings.bounds import Size

if TYPE_CHECKING:
    from transformers import PretrainedConfig


class Settings(lora.Settings):
    """Those of the LoRA that is made, and the sizes of the embeddings and of the network's hidden layer."""

    learning_rate: float = 2e-3
    embedding_size: Size = 16
    hidden_size: Size = 32


def configure(settings: Settings, config: PretrainedConfig) -> HypernetworkConfig:
    """Return the LoRA's configuration and the network's."""
    return HypernetworkConfig(lora.configure(settings, config), settings.embedding_size, settings.hidden_size)


METHOD = Method(
    title="Hypernetwork",
    paper="Karimi Mahabadi et al. 2021, arXiv:2106.04489, sec. 2; von Oswald et al. 2020, arXiv:1906.00695, sec. 2",
    library="hypernetwork",
    settings=Settings,
    configure=configure,
    objection=needs_targets(lora.configure),
)
