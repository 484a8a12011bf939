"""LoKr: the update is a Kronecker product, W₁ ⊗ W₂, as in KronA; a large W₂ is itself a low-rank product."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings, needs_targets
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.bounds import Size, Whole

if TYPE_CHECKING:
    from peft import LoKrConfig
    from transformers import PretrainedConfig


class Settings(TargetedSettings):
    """``rank``: of W₂; from half its larger side on, W₂ is a full matrix and the method is KronA."""

    learning_rate: float = 5e-3
    rank: Size = 8
    alpha: Whole = 16


def configure(settings: Settings, config: PretrainedConfig) -> LoKrConfig:
    """Return the peft configuration; both sides of a matrix are split as evenly as they divide."""
    from peft import LoKrConfig, TaskType

    return LoKrConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        r=settings.rank,
        alpha=settings.alpha,
        target_modules=settings.modules_of(config),
    )


METHOD = Method(
    title="LoKr",
    paper="Yeh et al. 2024 (LyCORIS), arXiv:2309.14859; Edalati et al. 2022 (KronA), arXiv:2212.10650, eq. 3",
    library="peft",
    settings=Settings,
    configure=configure,
    objection=needs_targets(configure),
    fails_on=("nf4",),
)
