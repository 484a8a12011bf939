"""Answers while they are generated, and where they end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.backbone.answer_options import options_of
from adapter_workbench.workbench.backbone.prompts import NEW_TOKENS
from adapter_workbench.workbench.backbone.tokenizing import texts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.workbench.backbone.answer_options import AnswerOptions


ROOM = "room"  # of a question that was not cut for the sake of its answer: how many tokens that may take


@dataclass(eq=False)
class AnswerRow:
    """An answer while it is generated."""

    question: dict[str, Any]  # the model's inputs
    limit: int  # of its tokens
    options: AnswerOptions  # say where it ends
    owner: str = ""  # whose weights answer; empty where the same answer all rows
    tokens: list[int] = field(default_factory=list)  # those that have come, the end token included
    # their log-probabilities; where the row stays in a batch after its end, others follow
    likelihoods: list[float] = field(default_factory=list)
    ended: bool = False  # whether no more are needed
    complete: bool = False  # whether it came to its end, and was not cut at its limit

    def take(self, token: int, ends: frozenset[int], tokenizer: PreTrainedTokenizerBase) -> None:
        """Take the next token, and note whether the answer ends with it; nothing follows its end.

        Raises:
            InputError: the tokenizer cannot write the answer's text, at which it may have to stop.
        """
        if self.ended:
            return
        self.tokens.append(token)
        options = self.options
        wanted = options.hear is None or options.hear(self.tokens)
        self.complete = token in ends or (bool(options.stop) and _is_stopped(self.tokens, options.stop, tokenizer))
        self.ended = self.complete or not wanted or len(self.tokens) >= self.limit


def rows_to_write(
    rows: Dataset, questions: Sequence[dict[str, Any]], owners: Sequence[str] | None = None
) -> list[AnswerRow]:
    """Return an answer to each question that has not begun; none is longer than the :data:`ROOM` beside its question.

    Args:
        rows: say how long the answers may get, and where they end.
        questions: the model's inputs for each row, not padded.
        owners: whose weights answer each row.
    """
    return [
        AnswerRow(question, min(bound, options.tokens or bound, question.get(ROOM, bound)), options, owner)
        for question, bound, options, owner in zip(
            questions, limits(rows), options_of(rows), owners or [""] * len(questions), strict=True
        )
    ]


def limits(rows: Dataset) -> list[int]:
    """Return how many tokens each row's answer may take by its task."""
    return rows["max_new_tokens"][:] if "max_new_tokens" in rows.column_names else [NEW_TOKENS] * len(rows)


def _is_stopped(new: list[int], stop: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> bool:
    (text,) = texts_of(tokenizer, [new], skip_special_tokens=True)
    return any(end in text for end in stop)
