"""FourierFT: a few entries of the update's two-dimensional spectrum, drawn at random, are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings, needs_targets
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.bounds import Factor, Seed, Whole

if TYPE_CHECKING:
    from peft import FourierFTConfig
    from transformers import PretrainedConfig


class Settings(TargetedSettings):
    """``n_frequency``: how many entries of a matrix's spectrum; ``random_loc_seed`` draws which, the same everywhere.

    The defaults are peft's, but for the spectrum, which begins at 0 here, so that the model begins as the pretrained
    one. The learning rate is not tuned: the inverse transform divides by the number of a matrix's entries, and a rate
    like LoRA's would move nothing.
    """

    learning_rate: float = 5e-2
    n_frequency: Whole = 1000
    scaling: Factor = 150.0
    random_loc_seed: Seed = 777


def configure(settings: Settings, config: PretrainedConfig) -> FourierFTConfig:
    """Return the peft configuration."""
    from peft import FourierFTConfig, TaskType

    return FourierFTConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        n_frequency=settings.n_frequency,
        scaling=settings.scaling,
        random_loc_seed=settings.random_loc_seed,
        init_weights=True,
        target_modules=settings.modules_of(config),
    )


def unfit(settings: Settings, rows: int, columns: int) -> str | None:
    """Return why a matrix is too small."""
    if settings.n_frequency > rows * columns:
        return f"n_frequency {settings.n_frequency} is more than a matrix of {rows} × {columns} has"
    return None


METHOD = Method(
    title="FourierFT",
    paper="Gao et al. 2024, arXiv:2405.03003",
    library="peft",
    settings=Settings,
    configure=configure,
    objection=needs_targets(configure, unfit),
)
