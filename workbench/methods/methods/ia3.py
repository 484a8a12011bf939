"""(IA)³: keys, values and the feed-forward block's inner states are rescaled, each by a learned vector.

What is rescaled is what peft knows for the architecture, and not everywhere what the paper has. In BERT, RoBERTa and
DeBERTa its name for the feed-forward block's output, ``output.dense``, is that of attention's output as well: a fourth
vector in each layer rescales what that reads. In BART, Gemma and Qwen it is queries that are rescaled, not keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.libraries.peft import needs_targets
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.base import MethodSettings

if TYPE_CHECKING:
    from peft import IA3Config
    from transformers import PretrainedConfig


class Settings(MethodSettings):
    """So few numbers bear a larger learning rate than the paper's 3e-3 where there are few steps."""

    learning_rate: float = 2e-2


def configure(settings: Settings, config: PretrainedConfig) -> IA3Config:
    """Return the peft configuration; what is rescaled is what peft knows for the architecture."""
    from peft import IA3Config, TaskType
    from peft.utils import (
        TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING,
        TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING,
    )

    return IA3Config(
        task_type=TaskType.FEATURE_EXTRACTION,
        target_modules=TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING.get(config.model_type),
        feedforward_modules=TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING.get(config.model_type),
    )


METHOD = Method(
    title="(IA)³",
    paper="Liu et al. 2022, arXiv:2205.05638, sec. 3.3",
    library="peft",
    settings=Settings,
    configure=configure,
    objection=needs_targets(configure),
)
