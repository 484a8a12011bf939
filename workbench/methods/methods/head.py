"""Frozen features: only the task's head is trained, on features that are always the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.base import MethodSettings

if TYPE_CHECKING:
    from transformers import PretrainedConfig


class Settings(MethodSettings):
    """A linear layer alone bears a much larger learning rate than a transformer."""

    learning_rate: float = 3e-2


def objection(settings: Settings, config: PretrainedConfig, kind: str) -> str | None:
    """Kinds that generate their answers have no head to train."""
    return (
        "the backbone's own output layer generates the answers, so there is nothing to train"
        if kind in GENERATED
        else None
    )


METHOD = Method(
    title="Frozen features",
    paper="Peters et al. 2019, arXiv:1903.05987",
    library="plain",
    settings=Settings,
    configure=lambda settings, config: lambda name: False,
    objection=objection,
    revision=2,  # in the first one, dropout in the frozen body was active while the head trained
)
