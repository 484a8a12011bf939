"""BitFit: only bias vectors are trained."""

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
    return architecture.biases(config).__contains__


def objection(settings: Settings, config: PretrainedConfig, kind: str) -> str | None:
    """Some architectures (LLaMA, T5) have no biases."""
    return None if architecture.biases(config) else "it has no bias vectors"


METHOD = Method(
    title="BitFit",
    paper="Ben Zaken et al. 2022, arXiv:2106.10199, sec. 3",
    library="plain",
    settings=Settings,
    configure=configure,
    objection=objection,
    trains_backbone=True,
)
