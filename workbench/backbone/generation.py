"""A language model around an adapted backbone, and greedy generation."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from adapter_workbench.workbench.backbone.architecture import counts_padding, positions
from adapter_workbench.workbench.backbone.transformers_api import cache_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from transformers import PretrainedConfig

    from adapter_workbench.workbench.backbone.network import Network


def empty_language_model(config: PretrainedConfig) -> Any:
    """Return transformers' own causal language model of a config, whose weights have shapes and no content."""
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


def language_model(model: Network) -> Any:
    """Return transformers' own causal language model with ``model``'s body and head in it; nothing is copied."""
    body: Any = model.body
    lm = empty_language_model(body.config)
    setattr(lm, lm.base_model_prefix, body.get_base_model() if learns_a_prompt(body) else body)
    lm.set_output_embeddings(model.head)
    if counts_padding(body.config) and (room := positions(body.config)):
        lm.register_forward_pre_hook(partial(_stay_within, room), with_kwargs=True)
    return lm.train(model.training)


def _stay_within(room: int, _: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Let no row be read at a position behind the last: one that has ended is read on until its batch has."""
    positions_read = kwargs.get("position_ids")  # (batch, tokens)
    return args, kwargs if positions_read is None else {**kwargs, "position_ids": positions_read.clamp(max=room - 1)}


def virtual_tokens(model: Network) -> Tensor | None:
    """Return the learned embeddings (virtual, h) that precede each prompt; None where the method has none."""
    body: Any = model.body
    with torch.no_grad():
        return body.get_prompt(1)[0] if learns_a_prompt(body) else None


def learns_a_prompt(body: Any) -> bool:
    """Return whether virtual tokens of peft stand before the texts that a body reads."""
    return hasattr(body, "prompt_encoder")


def generate(
    lm: Any,
    ids: Tensor,
    mask: Tensor,
    limit: int,
    ends: Sequence[int],
    pad: int,
    virtual: Tensor | None = None,
    ended: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Return what ``lm`` answers, each time its most likely token, and how likely that was.

    Args:
        lm: a causal language model of transformers.
        ids: prompts, padded on the left (batch, tokens).
        mask: 1 where there is no padding (batch, tokens).
        limit: at most so many new tokens.
        ends: the tokens that end an answer.
        pad: what stands after them, in answers that end early.
        virtual: embeddings that stand before every prompt (virtual, h).
        ended: new tokens so far (batch, new) → which answers end with them (batch,), besides those with an end token.

    Returns:
        tokens (batch, new) and, for each, its log-probability (batch, new) in float32.
    """
    asked = ids.shape[1] if virtual is None else 0  # of embeddings, nothing is returned with the answer
    tokens, likelihoods, _ = write(lm, _prompt_inputs(lm, ids, mask, virtual), asked, limit, ends, pad, ended)
    return tokens, likelihoods


def write(
    lm: Any,
    inputs: dict[str, Any],
    asked: int,
    limit: int,
    ends: Sequence[int],
    pad: int,
    ended: Callable[[Tensor], Tensor] | None,
) -> tuple[Tensor, Tensor, Any]:
    """Do what :func:`generate` does; an answer may have begun, and then what was read of it is in a cache.

    Args:
        lm: a causal language model of transformers.
        inputs: of the model: prompts, what there is of the answers, and the cache where they have begun.
        asked: tokens of a prompt.
        limit: at most so many tokens from now on.
        ends: the tokens that end an answer.
        pad: what stands after them.
        ended: as for :func:`generate`; it is given all tokens of the answers.

    Returns:
        tokens (batch, new), with those that were there; the log-probabilities of those that are new; and the cache.
    """
    from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

    likelihoods: list[Tensor] = []

    def listen(_: Tensor, logits: Tensor) -> Tensor:  # tokens so far; logits of the next one (batch, vocabulary)
        likelihoods.append(logits.float().log_softmax(dim=-1).amax(dim=-1))
        return logits

    def stop(tokens: Tensor, *_: Any) -> Tensor:
        assert ended is not None
        return ended(tokens[:, asked:])

    config = GenerationConfig(
        max_new_tokens=limit, do_sample=False, eos_token_id=[*ends], pad_token_id=pad, return_dict_in_generate=True
    )
    own, lm.generation_config = lm.generation_config, config  # what is not stated would be taken from the model's own
    try:
        generated = lm.generate(
            **inputs,
            generation_config=config,
            logits_processor=LogitsProcessorList([listen]),
            stopping_criteria=None if ended is None else StoppingCriteriaList([stop]),
        )
    finally:
        lm.generation_config = own
    return generated.sequences[:, asked:], torch.stack(likelihoods, dim=1), getattr(generated, cache_name(), None)


def _prompt_inputs(lm: Any, ids: Tensor, mask: Tensor, virtual: Tensor | None) -> dict[str, Tensor]:
    """Return what is given to ``lm``: the prompts' tokens, or their embeddings after the virtual ones."""
    if virtual is None:
        return {"input_ids": ids, "attention_mask": mask}
    before = virtual.expand(len(ids), -1, -1)  # (batch, virtual, h)
    return {
        "inputs_embeds": torch.cat([before, lm.get_input_embeddings()(ids)], dim=1),
        "attention_mask": torch.cat([mask.new_ones(before.shape[:2]), mask], dim=1),
    }


def decode(
    model: Network,
    ids: Tensor,
    mask: Tensor,
    limit: int,
    ends: Sequence[int],
    pad: int,
    ended: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Return what an encoder-decoder answers, as :func:`generate` does for a causal language model.

    The text is encoded once, and each new token is read with the states of those before it in a cache. The adapted body
    itself is called at every step, so that whatever a method does to a forward pass it does here.

    Args:
        model: its body is an encoder-decoder, its head the output layer.
        ids: texts (batch, tokens).
        mask: 1 where there is no padding (batch, tokens).
        limit: at most so many new tokens.
        ends: the tokens that end an answer.
        pad: what stands after them, in answers that end early.
        ended: as for :func:`generate`.
    """
    from transformers.modeling_outputs import BaseModelOutput

    body: Any = model.body
    last = torch.full_like(ids[:, :1], body.config.decoder_start_token_id)  # (batch, 1)
    stops = torch.tensor([*ends], device=ids.device)
    tokens, likelihoods, over = [], [], torch.zeros_like(last, dtype=torch.bool)
    read: dict[str, Any] = {"input_ids": ids}
    for _ in range(limit):
        with model.autocast(ids.device.type):
            output = body(attention_mask=mask, decoder_input_ids=last, use_cache=True, **read)
        read = {
            "encoder_outputs": BaseModelOutput(last_hidden_state=output.encoder_last_hidden_state),
            cache_name(): output.get(cache_name()),
        }
        likelihood, last = (
            model.head(output.last_hidden_state.float()[:, -1]).log_softmax(dim=-1).max(dim=-1, keepdim=True)
        )
        last = last.masked_fill(over, pad)
        over = over | torch.isin(last, stops)
        tokens.append(last)
        likelihoods.append(likelihood)
        if ended is not None:
            over = over | ended(torch.cat(tokens, dim=1)).unsqueeze(1)
        if bool(over.all()):
            break
    return torch.cat(tokens, dim=1), torch.cat(likelihoods, dim=1)
