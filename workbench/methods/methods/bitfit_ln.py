"""BitFit and LayerNorm tuning together: biases everywhere, and the gains of the normalisation layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.backbone import architecture
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods.bitfit import objection
from adapter_workbench.workbench.settings.base import MethodSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import PretrainedConfig


class Settings(MethodSettings):
    """So few numbers bear a large learning rate."""

    learning_rate: float = 1e-2


def configure(settings: Settings, config: PretrainedConfig) -> Callable[[str], bool]:
    """Return which parameters are trained, by their names."""
    return (architecture.biases(config) | architecture.normalisations(config)).__contains__


METHOD = Method(
    title="BitFit and LayerNorm tuning",
    paper="Ben Zaken et al. 2022, arXiv:2106.10199; Qi et al. 2022 (LN-tuning), arXiv:2211.08682",
    library="plain",
    settings=Settings,
    configure=configure,
    objection=objection,
    trains_backbone=True,
)
