"""Answers that are generated batch by batch, to the end of the longest of each batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from adapter_workbench.workbench.backbone.batching import in_batches, pad_rows
from adapter_workbench.workbench.backbone.prompts import end_tokens
from adapter_workbench.workbench.methods.answer_rows import rows_to_write

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.workbench.backbone.network import Network
    from adapter_workbench.workbench.methods.answer_rows import AnswerRow
    from adapter_workbench.workbench.methods.kind import Arrange

Ended = Callable[[Tensor], Tensor]  # new tokens so far (batch, new) → which answers need no more (batch,)
Write = Callable[[dict[str, Tensor], int, Ended], tuple[Tensor, Tensor]]  # batch, limit, … → what generate returns


def generated(
    model: Network,
    rows: Dataset,
    questions: list[dict[str, Any]],
    tokenizer: PreTrainedTokenizerBase,
    write: Write,
    padded: str,
    arrange: Arrange | None,
) -> list[AnswerRow]:
    """Return an answer to each question, in their order; all have ended.

    Args:
        model: is on the device on which answers are generated.
        rows: say where the answers end.
        questions: the model's inputs for each row, not padded.
        tokenizer: of the backbone.
        write: generates the answers to a batch.
        padded: the side on which questions are filled up to one length.
        arrange: says of each batch whose weights answer its rows; None where the same weights answer all.
    """
    answers, ends = rows_to_write(rows, questions), frozenset(end_tokens(tokenizer))

    def ask(indices: list[int], batch: dict[str, Tensor]) -> list[AnswerRow]:
        order = [*range(len(indices))] if arrange is None else [*arrange(indices)]
        asked = [answers[indices[index]] for index in order]

        def ended(tokens: Tensor) -> Tensor:
            for answer, token in zip(asked, tokens[:, -1].tolist(), strict=True):
                answer.take(token, ends, tokenizer)
            return torch.tensor([answer.ended for answer in asked], device=tokens.device)

        limit = max(answer.limit for answer in asked)
        _, likelihoods = write({name: inputs[order] for name, inputs in batch.items()}, limit, ended)
        for answer, sure in zip(asked, likelihoods.tolist(), strict=True):
            answer.likelihoods += sure
        return [answers[index] for index in indices]

    return in_batches(ask, model, questions, lambda some: pad_rows(some, tokenizer.pad_token_id, padded))
