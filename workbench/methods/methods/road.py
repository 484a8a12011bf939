"""RoAd: what a matrix puts out is rotated and scaled in pairs, an angle and a length for each two numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings, needs_targets
from adapter_workbench.workbench.methods.method import Method

if TYPE_CHECKING:
    from peft import RoadConfig
    from transformers import PretrainedConfig


class Settings(TargetedSettings):
    """``variant``: ``road_1`` has one angle and length for a pair, ``road_2`` one for each number, ``road_4`` two.

    ``group_size``: outputs in a group, whose first half is paired with its second; it divides the rows of every matrix.
    peft's own is 64. The learning rate is LoRA's, not tuned.
    """

    learning_rate: float = 5e-3
    variant: Literal["road_1", "road_2", "road_4"] = "road_1"
    group_size: int = Field(32, ge=2, le=65_536, multiple_of=2)


def configure(settings: Settings, config: PretrainedConfig) -> RoadConfig:
    """Return the peft configuration."""
    from peft import RoadConfig, TaskType

    return RoadConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        variant=settings.variant,
        group_size=settings.group_size,
        target_modules=settings.modules_of(config),
    )


def unfit(settings: Settings, rows: int, columns: int) -> str | None:
    """Return why a matrix's outputs fall into no groups."""
    if rows % settings.group_size:
        return f"group_size {settings.group_size} does not divide a matrix of {rows} rows"
    return None


METHOD = Method(
    title="RoAd",
    paper="Liao and Monz 2024, arXiv:2409.00119",
    library="peft",
    settings=Settings,
    configure=configure,
    objection=needs_targets(configure, unfit),
)
