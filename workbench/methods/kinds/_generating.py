"""Answers that are generated batch by batch: which weights answer a row, and how long its answer may get."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from workbench.backbone.batching import in_batches, pad_rows
from workbench.backbone.prompts import NEW_TOKENS

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset
    from numpy.typing import NDArray

    from workbench.backbone.network import Network
    from workbench.methods.kind import Arrange

    Generated = tuple[NDArray[np.int64], NDArray[np.float32]]  # an answer's tokens (new,), and their log-probabilities

Ended = Callable[[Tensor], Tensor]  # new tokens so far (batch, new) → which answers need no more (batch,)
Write = Callable[[dict[str, Tensor], int, Ended], tuple[Tensor, Tensor]]  # batch, limit → as backbone.generation does


def limits(rows: Dataset) -> list[int]:
    """Return how many tokens each row's answer may take."""
    return rows["max_new_tokens"][:] if "max_new_tokens" in rows.column_names else [NEW_TOKENS] * len(rows)


def answer_length(tokens: list[int], limit: int, ends: Container[int]) -> int:
    """Return how many of ``tokens`` are the answer: up to and with the first end token, and no more than ``limit``."""
    shortened = tokens[:limit]
    return next((index + 1 for index, token in enumerate(shortened) if token in ends), len(shortened))


def generated(
    model: Network,
    questions: list[dict[str, Any]],
    most: Sequence[int],
    ends: Sequence[int],
    pad: tuple[int, str],
    write: Write,
    arrange: Arrange | None,
) -> list[Generated]:
    """Return an answer to each question, in their order.

    Args:
        model: is on the device on which answers are generated.
        questions: unpadded model inputs.
        most: how many tokens the answer to each may take.
        ends: the tokens that end an answer.
        pad: the token that fills up questions, and the side on which they are filled up.
        write: generates the answers to a batch.
        arrange: says of each batch whose weights answer its rows; None where the same weights answer all.
    """

    def ask(indices: list[int], batch: dict[str, Tensor]) -> list[Generated]:
        order = [*range(len(indices))] if arrange is None else [*arrange(indices)]
        limit_of = [most[indices[place]] for place in order]
        bounds = torch.tensor(limit_of)

        def ended(tokens: Tensor) -> Tensor:
            return (bounds <= tokens.shape[1]).to(tokens.device)

        tokens, likelihoods = write({name: rows[order] for name, rows in batch.items()}, max(limit_of), ended)
        answers: list[Generated | None] = [None] * len(indices)
        lengths = [answer_length(row, limit, ends) for row, limit in zip(tokens.tolist(), limit_of, strict=True)]
        for place, row, sure, length in zip(
            order, tokens.cpu().numpy(), likelihoods.cpu().numpy(), lengths, strict=True
        ):
            answers[place] = row[:length], sure[:length]
        return [answer for answer in answers if answer is not None]

    return in_batches(ask, model, questions, lambda rows: pad_rows(rows, *pad))
