"""AdaLoRA: W + P Λ Q with a shrinking budget of singular values; the least important over all layers are dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import torch
from pydantic import Field, model_validator

from adapter_workbench.workbench.backbone.architecture import UNREAD
from adapter_workbench.workbench.methods.libraries._peft_targets import targets_by_name
from adapter_workbench.workbench.methods.libraries.peft import ALL_LINEAR, TargetedSettings, needs_targets
from adapter_workbench.workbench.methods.method import FitHooks, Method
from adapter_workbench.workbench.settings.bounds import Size, Weight, Whole

if TYPE_CHECKING:
    from peft import AdaLoraConfig
    from torch import Tensor
    from transformers import PretrainedConfig

    from adapter_workbench.workbench.methods.method import FitLength

NAME = "default"


class Settings(TargetedSettings):
    """Ranks go from ``initial_rank`` down to ``rank`` on average, and then stay for ``settled`` of the steps."""

    learning_rate: float = 1e-2
    rank: Size = 8
    initial_rank: Size = 12
    alpha: Whole = 32
    warm: float = Field(0.1, ge=0, lt=0.5, description="share of the steps before ranks are cut")
    settled: float = Field(0.3, ge=0, lt=0.5, description="share of the steps after the last cut")
    orthogonality: Weight = Field(0.1, description="weight of ‖PᵀP − I‖ and ‖QQᵀ − I‖ in the loss")

    @model_validator(mode="after")
    def _shrinks(self) -> Self:
        if self.initial_rank < self.rank:
            raise ValueError("initial_rank has to be at least rank")
        return self


def configure(settings: Settings, config: PretrainedConfig) -> AdaLoraConfig:
    """Return the peft configuration; how many steps there are is not known before the fit begins.

    Of what nothing reads no importance can be measured, so that it is left out of the targets.
    """
    from peft import AdaLoraConfig, TaskType

    wanted = AdaLoraConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        init_r=settings.initial_rank,
        target_r=settings.rank,
        lora_alpha=settings.alpha,
        total_step=1,
        target_modules=settings.modules_of(config, "ADALORA"),
    )
    if settings.targets not in (None, ALL_LINEAR):
        unread = [name for name in targets_by_name(wanted, config) if name.startswith(UNREAD)]
        wanted.exclude_modules = unread or None
    return wanted


def hooks(settings: Settings, body: Any, length: FitLength) -> FitHooks:
    """Return peft's rank allocation over the steps of this fit; at the end what was dropped is taken out.

    An adapter whose ranks were cut keeps them in a later fit: peft would cut again from ``initial_rank``. Nothing is
    cut where ``rank`` is ``initial_rank``, or where a fit of one step ends before any importance was measured.
    """
    config, tuner = body.peft_config[NAME], body.base_model

    def penalty() -> Tensor:
        """Return the mean of ‖PᵀP − I‖_F and ‖QQᵀ − I‖_F over all factors, as peft has it; eq. 4 sums their squares."""
        factors = [parameter for name, parameter in body.named_parameters() if "lora_A" in name or "lora_B" in name]
        squares = [factor @ factor.T if factor.shape[0] < factor.shape[1] else factor.T @ factor for factor in factors]
        norms = [torch.linalg.norm(square - torch.eye(len(square), device=square.device)) for square in squares]
        return settings.orthogonality * torch.stack(norms).mean()

    if config.rank_pattern or settings.initial_rank == settings.rank or length.total < 2:
        return FitHooks(penalty=penalty)
    config.total_step = length.total
    config.tinit, config.tfinal = int(settings.warm * length.total), int(settings.settled * length.total)
    return FitHooks(
        after_step=tuner.update_and_allocate,
        finish=lambda: tuner.resize_modules_by_rank_pattern(config.rank_pattern, NAME),
        penalty=penalty,
        settles=length.total - config.tfinal,
        resumable=False,  # the running averages of importance are in no checkpoint
    )


METHOD = Method(
    title="AdaLoRA",
    paper="Zhang et al. 2023, arXiv:2303.10512, eq. 4 and alg. 1",
    library="peft",
    settings=Settings,
    configure=configure,
    objection=needs_targets(configure),
    hooks=hooks,
    reshapes=True,
    revision=2,  # in the first one, only the first fit of a process that learned several tasks or seeds cut ranks
)
