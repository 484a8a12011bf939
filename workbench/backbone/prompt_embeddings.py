"""What a prompt is like: one vector for each, of the states that a bare transformer gives its tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

READ = ("input_ids", "inputs_embeds", "attention_mask", "position_ids", "token_type_ids")


def embedding(backbone: Any, given: Mapping[str, Any], question: Tensor | None = None) -> Tensor:
    """Return the mean of the last states of a prompt's tokens: (batch, tokens) → (batch, hidden_size) in float32.

    Args:
        backbone: a transformer on which no adapter is active; of an encoder-decoder, the encoder reads.
        given: what the transformer is given; without an ``attention_mask`` among it, every token counts.
        question: 1 for each token of a prompt (batch, tokens), where an answer stands behind it.
    """
    reader = backbone.get_encoder() if backbone.config.is_encoder_decoder else backbone
    read = {name: given[name] for name in READ if given.get(name) is not None}
    if question is not None:
        read["attention_mask"] = question
    if "use_cache" in given:
        read["use_cache"] = False  # the cache is that of the pass which answers
    states = reader(**read).last_hidden_state.float()  # (batch, tokens, h)
    mask = read["attention_mask"] if "attention_mask" in read else torch.ones_like(states[..., 0])
    mask = mask.unsqueeze(-1).to(states.dtype)  # (batch, tokens, 1)
    mean: Tensor = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
    return mean
