"""RoAd: what a matrix puts out is rotated and scaled in pairs, an angle and a length for each two numbers."""

from typing import Literal

from pydantic import Field

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings
from adapter_workbench.workbench.methods.methods._peft import configured_by, divides, on_matrices


class Settings(TargetedSettings):
    """``variant``: ``road_1`` has one angle and length for a pair, ``road_2`` one for each number, ``road_4`` two.

    ``group_size``: outputs in a group, whose first half is paired with its second; it divides the rows of every matrix.
    peft's own is 64. The learning rate is LoRA's, not tuned.
    """

    learning_rate: float = 5e-3
    variant: Literal["road_1", "road_2", "road_4"] = "road_1"
    group_size: int = Field(32, ge=2, le=65_536, multiple_of=2)


METHOD = on_matrices(
    "RoAd",
    "Liao and Monz 2024, arXiv:2409.00119",
    Settings,
    configured_by("RoadConfig", Settings),
    divides("group_size", "rows"),
)
