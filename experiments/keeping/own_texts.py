"""Texts that a model writes itself, where no rows of what it has learned are left.

Each begins with the token that begins a text and is drawn token by token from the model's own distribution, at
temperature 1, so that the squared gradients on such texts have the Fisher information as their mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.keeping.encoded_rows import encoded
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn
    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.experiments.keeping.given_rows import Row

AT_ONCE = 8  # texts; of another number others are drawn


def write_texts(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    count: int,
    max_length: int,
    seed: int,
    done: Callable[[int], None],
) -> list[Row]:
    """Return texts as rows; the same ones for the same seed, on the same machine.

    Args:
        model: a causal language model, in evaluation mode.
        tokenizer: the model's.
        count: how many.
        max_length: tokens of a text, at most.
        seed: of the draw; the caller's own generator is left alone.
        done: hears how many more are written.

    Raises:
        InputError: no token begins a text.
    """
    import torch
    from transformers import GenerationConfig

    lm: Any = model
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    begin = end if begin is None else begin
    if begin is None:
        hint = "Give rows of what it has learned: --rows FILE"
        raise InputError("this tokenizer has no token that begins a text", where="--write", hint=hint)
    config = GenerationConfig(
        max_new_tokens=max_length - 1,
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        bos_token_id=begin,
        eos_token_id=end,
        pad_token_id=tokenizer.pad_token_id,
    )
    device = next(model.parameters()).device
    rows: list[Row] = []
    own, lm.generation_config = lm.generation_config, config  # what is not stated would be taken from the model's own
    try:
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed)
            while len(rows) < count:
                size = min(AT_ONCE, count - len(rows))
                started = torch.full((AT_ONCE, 1), begin, device=device)  # (texts, 1)
                drawn = lm.generate(
                    input_ids=started, attention_mask=torch.ones_like(started), generation_config=config
                )
                rows += [_row(ids, end) for ids in drawn.tolist()[:size]]
                done(size)
    finally:
        lm.generation_config = own
    return rows


def _row(ids: list[int], end: int | None) -> Row:
    """Return a text up to its end token, which may be the one that it begins with."""
    stop = ids.index(end, 1) + 1 if end is not None and end in ids[1:] else len(ids)
    return encoded(ids[:stop], ids[:stop])
