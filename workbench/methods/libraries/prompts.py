"""prompts: peft's virtual tokens before the text; their own states are left out of what the body returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from adapter_workbench.workbench.backbone.architecture import positions, skeleton
from adapter_workbench.workbench.methods.libraries._peft_tensors import require_places
from adapter_workbench.workbench.methods.libraries.peft import LIBRARY as PEFT
from adapter_workbench.workbench.settings.base import MethodSettings
from adapter_workbench.workbench.settings.bounds import Size

if TYPE_CHECKING:
    from transformers import PretrainedConfig

NAME = "default"


class PromptSettings(MethodSettings):
    """``tokens``: how many virtual tokens stand before each text, beside ``budget.max_length``."""

    learning_rate: float
    tokens: Size = 20

    @property
    def virtual_tokens(self) -> int:
        return self.tokens


def objection(settings: PromptSettings, config: PretrainedConfig, kind: str) -> str | None:
    """The virtual tokens take positions of their own."""
    room = positions(config)
    return (
        f"{settings.tokens} virtual tokens leave no position for text (it has {room})"
        if room and settings.tokens >= room
        else None
    )


def embedding_width(config: PretrainedConfig) -> int:
    """Return how wide a token's embedding is: in ALBERT, ELECTRA and some OPT not as wide as its states."""
    transformer: Any = skeleton(config)
    return int(transformer.get_input_embeddings().weight.shape[1])


class Prompts:
    """A ``PeftModel`` that learns a prompt. A text's own tokens alone come out of it, so that nothing else sees more.

    What is stored are the virtual tokens, whatever made them while they were learned.
    """

    calls_layers = True

    def attach(self, body: nn.Module, config: Any) -> nn.Module:
        """Return the wrapped body; tokens that a network will make are zero until then."""
        model: Any = PEFT.attach(body, config)
        if config.inference_mode:
            nn.init.zeros_(model.prompt_encoder[NAME].embedding.weight)
        return _text_only(model)

    def save(self, body: Any, folder: Path) -> None:
        """Write ``adapter_config.json`` and ``adapter_model.safetensors``."""
        PEFT.save(body, folder)

    def load(self, body: nn.Module, folder: Path, config: Any) -> nn.Module:
        """Return the wrapped body with the stored virtual tokens, trainable."""
        from peft import PeftModel

        model = PeftModel.from_pretrained(body, folder)
        require_places(model, folder)
        return _text_only(model)

    def configuration(self, described: Mapping[str, Any]) -> Any:
        """Return the ``PeftConfig`` with these fields."""
        return PEFT.configuration(described)

    def contradiction(self, folder: Path, config: Any, architecture: PretrainedConfig, reshapes: bool) -> str | None:
        """Return in what the stored configuration is another one than ``config``; None where it is not."""
        return PEFT.contradiction(folder, config, architecture, reshapes)

    def detach(self, body: Any) -> nn.Module:
        bare: nn.Module = body.get_base_model()
        return bare


def _text_only(model: Any) -> nn.Module:
    model.prompt_encoder.requires_grad_(True)
    model.shows_prompt = False
    model.forward = partial(_forward, model, model.forward)
    model.register_forward_pre_hook(_without_types, with_kwargs=True)
    model.register_forward_hook(_trim, with_kwargs=True)
    body: nn.Module = model
    return body


def _forward(model: Any, forward: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """Let the backbone read on its own what peft would not let it.

    A decoder goes on: peft would put a prompt before a text that is encoded already. A text has token types that count:
    the virtual tokens are of the first type, as in peft's classes with a head.
    """
    if "encoder_outputs" in named:
        mask, encoded = named["attention_mask"], named["encoder_outputs"].last_hidden_state
        virtual = mask.new_ones(len(mask), encoded.shape[1] - mask.shape[1])
        return model.get_base_model()(*given, **{**named, "attention_mask": torch.cat([virtual, mask], dim=1)})
    if "token_type_ids" not in named:
        return forward(*given, **named)
    words = model.word_embeddings(named.pop("input_ids"))  # (batch, tokens, h)
    prompt = model.get_prompt(len(words)).to(words.dtype)  # (batch, virtual, h)
    for name, value in (("attention_mask", 1), ("token_type_ids", 0)):
        virtual = torch.full_like(named[name][:, :1], value).expand(-1, prompt.shape[1])
        named[name] = torch.cat([virtual, named[name]], dim=1)
    return model.get_base_model()(*given, inputs_embeds=torch.cat([prompt, words], dim=1), **named)


def _without_types(model: Any, given: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Leave token types out: peft has none for virtual tokens, and would say so at every call.

    A prompt that another program trained, under a head that reads its states too, was trained with them.
    """
    if model.shows_prompt:
        return given, named
    return given, {name: value for name, value in named.items() if name != "token_type_ids"}


def _trim(model: Any, given: Any, named: dict[str, Any], output: Any) -> Any:
    """Keep the states of the text: (batch, virtual + tokens, h) → (batch, tokens, h)."""
    if model.shows_prompt:
        return output
    tokens = named["decoder_input_ids" if "decoder_input_ids" in named else "input_ids"].shape[1]
    output.last_hidden_state = output.last_hidden_state[:, -tokens:]
    if output.get("hidden_states") is not None:
        output.hidden_states = tuple(states[:, -tokens:] for states in output.hidden_states)
    return output


LIBRARY = Prompts()
