"""Full fine-tuning: every weight of the backbone is trained."""

from __future__ import annotations

from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.base import MethodSettings


class Settings(MethodSettings):
    """The learning rate is what single-task validation picks for MiniLM."""

    learning_rate: float = 2e-4


METHOD = Method(
    title="Full fine-tuning",
    paper="Devlin et al. 2019, arXiv:1810.04805",
    library="plain",
    settings=Settings,
    configure=lambda settings, config: lambda name: True,
    trains_backbone=True,
)
