"""Frozen features: only the task's head is trained."""

from __future__ import annotations

from workbench.contracts import Method
from workbench.settings import MethodSettings


class Settings(MethodSettings):
    """A linear layer alone bears a much larger learning rate than a transformer."""

    learning_rate: float = 3e-2


METHOD = Method(
    title="Frozen features",
    paper="Peters et al. 2019, arXiv:1903.05987",
    library="plain",
    settings=Settings,
    configure=lambda settings, config: lambda name: False,
)
