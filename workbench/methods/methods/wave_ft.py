"""WaveFT: a few wavelet coefficients of the update, drawn at random, are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings, needs_targets
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods.fourierft import unfit
from adapter_workbench.workbench.settings.bounds import Factor, Seed, Whole

if TYPE_CHECKING:
    from peft import WaveFTConfig
    from transformers import PretrainedConfig


class Settings(TargetedSettings):
    """``n_frequency``: how many coefficients of a matrix, as of `fourierft` (peft's own: 2592); wavelets are Haar's.

    The learning rate is LoRA's, not tuned.
    """

    learning_rate: float = 5e-3
    n_frequency: Whole = 1000
    scaling: Factor = 25.0
    random_loc_seed: Seed = 777


def configure(settings: Settings, config: PretrainedConfig) -> WaveFTConfig:
    """Return the peft configuration."""
    from peft import TaskType, WaveFTConfig

    return WaveFTConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        n_frequency=settings.n_frequency,
        scaling=settings.scaling,
        random_loc_seed=settings.random_loc_seed,
        target_modules=settings.modules_of(config, "WAVEFT"),
    )


METHOD = Method(
    title="WaveFT",
    paper="Bilican et al. 2025, arXiv:2505.12532",
    library="peft",
    settings=Settings,
    configure=configure,
    objection=needs_targets(configure, unfit),
)
