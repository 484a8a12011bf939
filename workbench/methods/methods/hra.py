"""HRA: weights are turned by a chain of reflections, W (I − 2 u₁u₁ᵀ) … (I − 2 uᵣuᵣᵀ), with learned unit vectors uᵢ."""

from pydantic import Field

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings
from adapter_workbench.workbench.methods.methods._peft import configured_by, on_matrices


class Settings(TargetedSettings):
    """``rank``: how many reflections, an even number: they begin in equal pairs, which leave W as it is.

    The learning rate is that of `boft`, not tuned.
    """

    learning_rate: float = 5e-3
    rank: int = Field(8, ge=2, le=4096, multiple_of=2)


METHOD = on_matrices(
    "HRA",
    "Yuan et al. 2024, arXiv:2405.17484",
    Settings,
    configured_by("HRAConfig", Settings),
    fails_on=("nf4", "int8"),
)
