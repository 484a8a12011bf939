"""Prompt tuning: only the embeddings of virtual tokens before the text are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.libraries.prompts import PromptSettings, embedding_width, objection
from adapter_workbench.workbench.methods.method import Method

if TYPE_CHECKING:
    from peft import PromptTuningConfig
    from transformers import PretrainedConfig


class Settings(PromptSettings):
    """The tokens begin as words of the vocabulary, drawn from the seed."""

    learning_rate: float = 3e-2


def configure(settings: Settings, config: PretrainedConfig) -> PromptTuningConfig:
    """Return the peft configuration."""
    from peft import PromptTuningConfig, PromptTuningInit, TaskType

    return PromptTuningConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        num_virtual_tokens=settings.tokens,
        token_dim=embedding_width(config),
        prompt_tuning_init=PromptTuningInit.SAMPLE_VOCAB,
    )


METHOD = Method(
    title="Prompt tuning",
    paper="Lester et al. 2021, arXiv:2104.08691, sec. 2",
    library="prompts",
    settings=Settings,
    configure=configure,
    objection=objection,
)
