"""Greedy generation of one batch that rows join and leave between two tokens; each token of all rows takes one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from adapter_workbench.workbench.backbone.generation import write
from adapter_workbench.workbench.backbone.transformers_api import cache_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class OtherCacheError(Exception):
    """What the model keeps of the tokens that it has read is something else than keys and values of each row."""


class RunningBatch:
    """Rows with prompts and answers so far, aligned at their ends, and what the model keeps of all but the last token.

    Until a row joins or leaves, the tokens and their likelihoods are those that
    :func:`adapter_workbench.workbench.backbone.generation.generate` gives for the same batch, bit for bit.
    """

    def __init__(self, lm: Any, ends: Sequence[int], pad: int) -> None:
        """Begin without rows.

        Args:
            lm: a causal language model of transformers.
            ends: the tokens that end an answer.
            pad: fills rows up.
        """
        self._lm, self._ends, self._pad = lm, ends, pad
        self._ids = self._mask = torch.empty(0, 0, dtype=torch.long)  # (rows, tokens); of the mask, 0 is padding
        self._cache: Any = None  # of all tokens but the last

    def join(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Read prompts in a pass of their own and write the first token of each answer; they are the last rows then.

        Args:
            ids: prompts, padded on the left (new rows, tokens).
            mask: 1 where there is no padding (new rows, tokens).

        Returns:
            the first tokens (new rows, 1), and for each its log-probability (new rows, 1).

        Raises:
            OtherCacheError: the model's cache cannot be joined; the batch stays what it was.
        """
        inputs = {"input_ids": ids, "attention_mask": mask}
        new, sure, cache = write(self._lm, inputs, ids.shape[1], 1, self._ends, self._pad, None)
        if not _is_of_rows(cache):
            raise OtherCacheError
        ids, mask = torch.cat([ids, new], dim=1), torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        if self._cache is None:
            self._ids, self._mask, self._cache = ids, mask, cache
        else:
            self._ids = _one_above_another(self._ids, ids, 1, self._pad)
            self._mask = _one_above_another(self._mask, mask, 1, 0)
            for layer, other in zip(self._cache.layers, cache.layers, strict=True):
                layer.keys = _one_above_another(layer.keys, other.keys, -2, 0)
                layer.values = _one_above_another(layer.values, other.values, -2, 0)
        return new, sure

    def write(self, limit: int, pause: Callable[[Tensor], bool]) -> tuple[Tensor, Tensor]:
        """Write the next tokens of all rows.

        Args:
            limit: at most so many.
            pause: new tokens of this call so far (rows, new) → whether to end it. It ends by itself when all rows have
                got an end token.

        Returns:
            the new tokens (rows, new), and for each its log-probability (rows, new).
        """

        def ended(new: Tensor) -> Tensor:
            return torch.full((len(new),), pause(new), device=new.device)

        inputs = {"input_ids": self._ids, "attention_mask": self._mask, cache_name(): self._cache}
        asked = self._ids.shape[1]
        new, sure, self._cache = write(self._lm, inputs, asked, limit, self._ends, self._pad, ended)
        self._ids = torch.cat([self._ids, new], dim=1)
        self._mask = torch.cat([self._mask, self._mask.new_ones(new.shape)], dim=1)
        return new, sure

    def keep(self, rows: Sequence[int]) -> None:
        """Let these rows stay, in this order; all others leave, and the batch gets as short as its longest row."""
        if not rows:
            self._cache = None
            return
        chosen = torch.tensor([*rows], device=self._ids.device)
        self._cache.batch_select_indices(chosen)
        self._ids, self._mask = self._ids[chosen], self._mask[chosen]
        if padding := int(self._mask.any(dim=0).int().argmax()):  # in all rows
            self._ids, self._mask = self._ids[:, padding:], self._mask[:, padding:]
            for layer in self._cache.layers:
                layer.keys, layer.values = layer.keys[..., padding:, :], layer.values[..., padding:, :]


def _one_above_another(rows: Tensor, others: Tensor, tokens: int, filler: int) -> Tensor:
    """Return the rows of both, which are filled up in front to one length along the axis ``tokens`` (−2 or 1)."""
    length = max(rows.shape[tokens], others.shape[tokens])
    behind = (0, 0) if tokens == -2 else ()  # torch counts axes from the last one
    filled = [
        nn.functional.pad(part, (*behind, length - part.shape[tokens], 0), value=filler) for part in (rows, others)
    ]
    return torch.cat(filled)


def _is_of_rows(cache: Any) -> bool:
    from transformers.cache_utils import DynamicCache, DynamicLayer

    return type(cache) is DynamicCache and all(type(layer) is DynamicLayer for layer in cache.layers)
