"""P-tuning: virtual tokens before the text; during training a small network makes their embeddings."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import torch

from adapter_workbench.workbench.methods.libraries.prompts import NAME, PromptSettings, embedding_width, objection
from adapter_workbench.workbench.methods.method import FitHooks, Method
from adapter_workbench.workbench.settings.bounds import Size

if TYPE_CHECKING:
    from peft import PromptEncoderConfig
    from transformers import PretrainedConfig

    from adapter_workbench.workbench.methods.method import FitLength


class Settings(PromptSettings):
    """``width``: of the network's two hidden layers."""

    learning_rate: float = 2e-3
    width: Size = 128


def configure(settings: Settings, config: PretrainedConfig) -> PromptEncoderConfig:
    """Return the peft configuration, of the virtual tokens alone: the network is there during a fit only."""
    from peft import PromptEncoderConfig, TaskType

    return PromptEncoderConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        num_virtual_tokens=settings.tokens,
        token_dim=embedding_width(config),
        encoder_hidden_size=settings.width,
        inference_mode=True,
    )


def hooks(settings: Settings, body: Any, length: FitLength) -> FitHooks:
    """Put the network in, and what it makes at the end; virtual tokens that were learned before go on without one."""
    from peft import PromptEncoder

    tokens, config = body.prompt_encoder[NAME], body.peft_config[NAME]
    if not tokens.embedding.weight.is_meta and tokens.embedding.weight.any():
        return FitHooks()
    config.inference_mode = False
    body.prompt_encoder[NAME] = PromptEncoder(copy(config)).to(tokens.embedding.weight.device)

    def finish() -> None:
        with torch.no_grad():
            tokens.embedding.weight.copy_(body.get_prompt_embedding_to_save(NAME))
        body.prompt_encoder[NAME], config.inference_mode = tokens.to(body.device), True

    return FitHooks(finish=finish)


METHOD = Method(
    title="P-tuning",
    paper="Liu et al. 2021, arXiv:2103.10385, sec. 3.1",
    library="prompts",
    settings=Settings,
    configure=configure,
    objection=objection,
    hooks=hooks,
    reshapes=True,
)
