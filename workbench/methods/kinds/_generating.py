"""Answers that are generated batch by batch: which weights answer a row, and where its answer ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from workbench.backbone.answer_options import options_of
from workbench.backbone.batching import in_batches, pad_rows
from workbench.backbone.prompts import NEW_TOKENS, end_tokens

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

    from workbench.backbone.answer_options import AnswerOptions
    from workbench.backbone.network import Network
    from workbench.methods.kind import Arrange

Ended = Callable[[Tensor], Tensor]  # new tokens so far (batch, new) → which answers need no more (batch,)
Stay = Callable[[Sequence[int]], Sequence[int]]  # rows that are left of a batch → the order in which they have to stand
Write = Callable[[dict[str, Tensor], int, Ended, Stay | None], tuple[Tensor, Tensor]]  # batch, limit, … → as generate


class Generated(NamedTuple):
    """One answer.

    Attributes:
        tokens: the end token included where it came (new,).
        likelihoods: their log-probabilities (new,).
        complete: whether it came to an end before its limit.
    """

    tokens: NDArray[np.int64]
    likelihoods: NDArray[np.float32]
    complete: bool


@dataclass
class _Row:
    """An answer while it is generated: how long it may get, and how long it is once it has ended."""

    limit: int
    options: AnswerOptions
    length: int | None = None
    complete: bool = False


def limits(rows: Dataset) -> list[int]:
    """Return how many tokens each row's answer may take by its task."""
    return rows["max_new_tokens"][:] if "max_new_tokens" in rows.column_names else [NEW_TOKENS] * len(rows)


def generated(
    model: Network,
    rows: Dataset,
    questions: list[dict[str, Any]],
    tokenizer: PreTrainedTokenizerBase,
    write: Write,
    padded: str,
    arrange: Arrange | None,
) -> list[Generated]:
    """Return an answer to each question, in their order.

    Args:
        model: is on the device on which answers are generated.
        rows: say where the answers end.
        questions: the model's inputs for each row, not padded.
        tokenizer: of the backbone.
        write: generates the answers to a batch.
        padded: the side on which questions are filled up to one length.
        arrange: says of each batch whose weights answer its rows; None where the same weights answer all.
    """
    bounds, options, ends = limits(rows), options_of(rows), frozenset(end_tokens(tokenizer))

    def ask(indices: list[int], batch: dict[str, Tensor]) -> list[Generated]:
        order = [*range(len(indices))] if arrange is None else [*arrange(indices)]
        asked = [indices[index] for index in order]
        answers = [_Row(min(bounds[row], options[row].tokens or bounds[row]), options[row]) for row in asked]

        def ended(tokens: Tensor) -> Tensor:
            for answer, new in zip(answers, tokens.tolist(), strict=True):
                if answer.length is None:
                    _read(answer, new, ends, tokenizer)
            return torch.tensor([answer.length is not None for answer in answers], device=tokens.device)

        stay = None if arrange is None else lambda left: arrange([asked[index] for index in left])
        limit = max(answer.limit for answer in answers)
        tokens, likelihoods = write({name: inputs[order] for name, inputs in batch.items()}, limit, ended, stay)
        written_rows = zip(order, answers, tokens.cpu().numpy(), likelihoods.cpu().numpy(), strict=True)
        by_index = {
            index: Generated(new[: answer.length], sure[: answer.length], answer.complete)
            for index, answer, new, sure in written_rows
        }
        return [by_index[index] for index in range(len(indices))]

    return in_batches(ask, model, questions, lambda some: pad_rows(some, tokenizer.pad_token_id, padded))


def _read(answer: _Row, new: list[int], ends: frozenset[int], tokenizer: PreTrainedTokenizerBase) -> None:
    """Take note of whether an answer has ended with its last token."""
    options = answer.options
    wanted = options.hear is None or options.hear(new)
    answer.complete = new[-1] in ends or (bool(options.stop) and _is_stopped(new, options.stop, tokenizer))
    if answer.complete or not wanted or len(new) >= answer.limit:
        answer.length = len(new)


def _is_stopped(new: list[int], stop: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> bool:
    text: str = tokenizer.decode(new, skip_special_tokens=True)
    return any(end in text for end in stop)
