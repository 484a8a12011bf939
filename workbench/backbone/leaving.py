"""Greedy generation in which rows leave the batch once their answers have ended: the others go on with less work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from workbench.backbone.generation import generate, write
from workbench.backbone.transformers_api import cache_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def generate_leaving(
    lm: Any,
    ids: Tensor,
    mask: Tensor,
    limit: int,
    ends: Sequence[int],
    pad: int,
    ended: Callable[[Tensor], Tensor],
    stay: Callable[[Sequence[int]], Sequence[int]],
) -> tuple[Tensor, Tensor]:
    """Return what :func:`workbench.backbone.generation.generate` returns, up to rounding.

    Whenever half of the rows that are left have ended, they leave, so that a batch is put together anew only a few
    times. They stay where the model's cache is another than keys and values of each row.

    Args:
        lm: a causal language model of transformers.
        ids: prompts, padded on the left (batch, tokens).
        mask: 1 where there is no padding (batch, tokens).
        limit: at most so many new tokens.
        ends: the tokens that end an answer.
        pad: what stands after them.
        ended: new tokens so far of all rows (batch, new) → which answers end with them (batch,), besides those with an
            end token.
        stay: is told which rows are left, and returns the order in which they have to stand from now on.
    """
    asked, stops = ids.shape[1], torch.tensor([*ends], device=ids.device)
    tokens = ids.new_full((len(ids), limit), pad)  # (batch, new) of all rows, whether they have left or not
    likelihoods = torch.zeros(len(ids), limit, device=ids.device)
    rows, over = [*range(len(ids))], torch.zeros(len(ids), dtype=torch.bool, device=ids.device)
    cache: Any = None
    done = 0

    def half(new: Tensor) -> Tensor:  # (rows that are left, new)
        tokens[rows, : new.shape[1]] = new
        over[:] = over | ended(tokens[:, : new.shape[1]]) | torch.isin(tokens[:, new.shape[1] - 1], stops)
        left = over[rows]
        return torch.full_like(left, 2 * int(left.sum()) >= len(rows)) if _can_leave(cache) else left

    while done < limit:
        inputs = {"input_ids": ids, "attention_mask": mask, **({} if cache is None else {cache_name(): cache})}
        new, sure, cache = write(lm, inputs, asked, 1 if cache is None else limit - done, ends, pad, half)
        if not _can_leave(cache):
            return generate(lm, ids, mask, limit, ends, pad, None, ended)
        tokens[rows, : new.shape[1]], likelihoods[rows, done : new.shape[1]] = new, sure
        done, left = new.shape[1], [index for index, row in enumerate(rows) if not over[row]]
        if not left:
            break
        ids = torch.cat([ids[:, :asked], new], dim=1)
        mask = torch.cat([mask, mask.new_ones(len(rows), ids.shape[1] - mask.shape[1])], dim=1)
        if 2 * len(left) <= len(rows):
            left = [left[index] for index in stay([rows[index] for index in left])]
            rows, chosen = [rows[index] for index in left], torch.tensor(left, device=ids.device)
            cache.batch_select_indices(chosen)
            ids, mask = ids[chosen], mask[chosen]
    return tokens[:, :done], likelihoods[:, :done]


def _can_leave(cache: Any) -> bool:
    from transformers.cache_utils import DynamicCache, DynamicLayer

    return type(cache) is DynamicCache and all(type(layer) is DynamicLayer for layer in cache.layers)
