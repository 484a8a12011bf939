"""How likely a language model holds each token of a text to be, given those before, and which are the likeliest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from adapter_workbench.workbench.backbone.architecture import positions
from adapter_workbench.workbench.backbone.batching import BATCH_SIZE, pad_rows, require_scores, to_device_of
from adapter_workbench.workbench.backbone.generation import virtual_tokens
from adapter_workbench.workbench.backbone.prompts import end_tokens
from adapter_workbench.workbench.backbone.raw_texts import raw_prompts
from adapter_workbench.workbench.backbone.tokenizing import texts_of
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.workbench.methods.model import TaskModel

LONGEST = 2048  # tokens of a text; so many are read in one pass, whatever the model could read
AT_ONCE = 128  # places whose logits are in memory together: a vocabulary is large
LOWEST = -9999.0  # in place of −∞, which JSON does not have

Alternatives = list[tuple[int, float]]  # tokens with their log-probabilities, the likeliest first
Arrange = Callable[[Sequence[int]], tuple[Sequence[int], Mapping[str, Any]]]
"""Numbers of a batch's texts → the order in which they have to stand, and what the pass is given beside them."""


def _always() -> bool:
    return True


@dataclass(frozen=True)
class RawText:
    """A text that is read as it is."""

    text: str  # empty where there are tokens
    given: Sequence[int] | None  # its tokens, if they are known
    most: int  # how many of the likeliest tokens are told at each place
    is_awaited: Callable[[], bool] = _always  # whether anybody still wants to know


@dataclass(frozen=True)
class TextLikelihood:
    """What a model says about the tokens of a text."""

    ids: Sequence[int]  # the text's tokens (tokens,)
    likelihoods: Sequence[float]  # log-probability of each but the first, given those before (tokens − 1,)
    # at the place of each but the first, and behind the last, the likeliest tokens (tokens, most)
    likeliest: Sequence[Alternatives]
    following: tuple[int, float]  # the likeliest token behind the last, with its log-probability
    is_end: bool  # whether that one ends an answer
    next_text: str  # what it adds to the text
    words: Mapping[int, str]  # token → its text, of all tokens above


def text_likelihoods(
    model: TaskModel, texts: Sequence[RawText], tokenizer: PreTrainedTokenizerBase, arrange: Arrange | None = None
) -> list[TextLikelihood | None]:
    """Return what a causal language model says about each text; None where nobody wants to know any more.

    Args:
        model: its head gives the logits of next tokens.
        texts: read as they are, after what the tokenizer puts before a text.
        tokenizer: of the backbone.
        arrange: lets the right weights answer the rows of a batch; None where the same weights answer all.

    Raises:
        AnswerError: the model computes NaN or infinity.
        InputError: a text has no token, too many, or the tokenizer fails.
    """
    ids = raw_prompts([text.text for text in texts], [text.given for text in texts], tokenizer)
    _require_short(model, ids)
    measured: list[tuple[list[float], list[Alternatives]] | None] = [None] * len(texts)
    for numbers in _batches(ids):
        wanted = [number for number in numbers if texts[number].is_awaited()]
        if wanted:
            most = [texts[number].most for number in wanted]
            rows = _tell(model, [ids[number] for number in wanted], most, wanted, tokenizer.pad_token_id, arrange)
            for number, row in zip(wanted, rows, strict=True):
                measured[number] = row
    highest = [[alternatives[0][1] for alternatives in row[1]] if row else [] for row in measured]
    require_scores([np.array(values) for values in highest])
    ends = frozenset(end_tokens(tokenizer))
    return [
        _in_words(tokenizer, own, row, text.most, ends) if row else None
        for text, own, row in zip(texts, ids, measured, strict=True)
    ]


def _require_short(model: TaskModel, ids: Sequence[Sequence[int]]) -> None:
    body: Any = model.body
    virtual = virtual_tokens(model)
    room = min(positions(body.config) or LONGEST, LONGEST) - (0 if virtual is None else len(virtual))
    if (longest := max(map(len, ids))) > room:
        raise InputError(f"the prompt has {longest:,} tokens, and at most {room:,} are read: send a shorter one")


def _batches(ids: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Yield the numbers of texts that are read together, the longest first; with padding at most ``LONGEST`` tokens."""
    by_length = sorted(range(len(ids)), key=lambda number: -len(ids[number]))
    start = 0
    while start < len(by_length):
        size = min(max(LONGEST // len(ids[by_length[start]]), 1), BATCH_SIZE)
        yield by_length[start : start + size]
        start += size


def _tell(
    model: TaskModel,
    ids: Sequence[Sequence[int]],
    most: Sequence[int],
    numbers: Sequence[int],
    pad: int,
    arrange: Arrange | None,
) -> list[tuple[list[float], list[Alternatives]]]:
    """Return for each text of a batch its log-probabilities, and the likeliest tokens at each place, one at least."""
    order, beside = ([*range(len(ids))], {}) if arrange is None else arrange(numbers)
    rows = [{"input_ids": [*ids[row]], "attention_mask": [1] * len(ids[row])} for row in order]
    batch = to_device_of(model, pad_rows(rows, pad, "right"))
    measured: list[tuple[list[float], list[Alternatives]]] = [([], [])] * len(ids)
    with torch.inference_mode():
        states = model.states(**batch, question=batch["attention_mask"], **beside)  # (texts, tokens, h)
        for position, row in enumerate(order):
            tokens = batch["input_ids"][position, : len(ids[row])]
            measured[row] = _row(model, states[position, : len(tokens)], tokens, max(most[row], 1))
    return measured


def _row(model: TaskModel, states: Tensor, tokens: Tensor, most: int) -> tuple[list[float], list[Alternatives]]:
    """Return what the states (tokens, h) say about the tokens that follow them, the last of which is not known."""
    likelihoods: list[float] = []
    likeliest: list[Alternatives] = []
    for start in range(0, len(states), AT_ONCE):
        logits = model.head(states[start : start + AT_ONCE])
        log_probabilities = logits.float().log_softmax(dim=-1)  # (places, vocabulary)
        following = tokens[start + 1 : start + 1 + len(log_probabilities)]  # one fewer at the end
        chosen = log_probabilities[: len(following)].gather(1, following.unsqueeze(1)).squeeze(1)  # (places,)
        highest = log_probabilities.topk(min(most, log_probabilities.shape[1]), dim=-1)
        likelihoods += chosen.tolist()
        pairs = zip(highest.indices.tolist(), highest.values.tolist(), strict=True)
        likeliest += [[*zip(*pair, strict=True)] for pair in pairs]
    return likelihoods, likeliest


def _in_words(
    tokenizer: PreTrainedTokenizerBase,
    ids: Sequence[int],
    measured: tuple[list[float], list[Alternatives]],
    most: int,
    ends: frozenset[int],
) -> TextLikelihood:
    likelihoods, likeliest = measured
    following = likeliest[-1][0]
    shown = [alternatives[:most] for alternatives in likeliest]
    named = [*{*ids, following[0], *(token for alternatives in shown for token, _ in alternatives)}]
    words = dict(zip(named, texts_of(tokenizer, [[token] for token in named]), strict=True))
    (next_text,) = texts_of(tokenizer, [[following[0]]], skip_special_tokens=True)
    bounded = [max(value, LOWEST) for value in likelihoods]
    return TextLikelihood(ids, bounded, shown, following, following[0] in ends, next_text, words)
