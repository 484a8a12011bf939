"""LayerNorm tuning: only gains and biases of the normalisation layers are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.backbone import architecture
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.base import MethodSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import PretrainedConfig


class Settings(MethodSettings):
    """So few numbers bear a large learning rate."""

    learning_rate: float = 1e-2


def configure(settings: Settings, config: PretrainedConfig) -> Callable[[str], bool]:
    """Return which parameters are trained, by their names."""
    return architecture.normalisations(config).__contains__


METHOD = Method(
    title="LayerNorm tuning",
    paper="Zhao et al. 2024, arXiv:2312.11420; Qi et al. 2022 (LN-tuning), arXiv:2211.08682",
    library="plain",
    settings=Settings,
    configure=configure,
    trains_backbone=True,
)
