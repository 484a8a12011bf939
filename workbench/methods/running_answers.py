"""Answers of a language model that are written together; others join while they are, and leave when they have ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from adapter_workbench.workbench.backbone.batching import pad_rows, to_device_of
from adapter_workbench.workbench.backbone.prompts import end_tokens
from adapter_workbench.workbench.backbone.running_batch import RunningBatch
from adapter_workbench.workbench.methods.library import UnmixableError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.workbench.backbone.network import Network
    from adapter_workbench.workbench.methods.answer_rows import AnswerRow

ArrangeOwners = Callable[[Sequence[str]], Sequence[int]]  # of a batch's rows → the order in which they stand


class RunningAnswers:
    """A batch of answers, and whose weights write each of them.

    Attributes:
        rows: those in the batch, in its order; of those that have ended some are still there.
    """

    def __init__(
        self, model: Network, lm: Any, tokenizer: PreTrainedTokenizerBase, arrange: ArrangeOwners | None = None
    ) -> None:
        """Begin without rows.

        Args:
            model: is in evaluation mode.
            lm: its body and head as a causal language model of transformers.
            tokenizer: of the backbone.
            arrange: is given the rows' owners before each pass of other rows, lets the weights of each answer its row
                and returns the order in which they have to stand; None where the same weights answer all rows.
        """
        self._model, self._tokenizer, self._arrange = model, tokenizer, arrange
        self._ends, self._pad = frozenset(end_tokens(tokenizer)), tokenizer.pad_token_id
        self._batch = RunningBatch(lm, [*self._ends], self._pad)
        self.rows: list[AnswerRow] = []

    @property
    def unfinished(self) -> int:
        """How many answers have not ended."""
        return sum(not row.ended for row in self.rows)

    def join(self, newcomers: Sequence[AnswerRow]) -> None:
        """Read the questions in a pass of their own and write the first token of each answer; ended rows leave.

        Where it is not known yet whether a layer reads row after row, those of each owner are read in a pass.

        Raises:
            OtherCacheError: rows cannot join where this model writes.
            UnmixableError: rows of these owners cannot be in one batch.
        """
        try:
            self._join(newcomers)
        except UnmixableError:
            by_owner = {
                owner: [row for row in newcomers if row.owner == owner]
                for owner in {row.owner: None for row in newcomers}
            }
            if len(by_owner) == 1:
                raise
            for rows in by_owner.values():
                self._join(rows)

    def _join(self, newcomers: Sequence[AnswerRow]) -> None:
        rows = sorted(newcomers, key=lambda row: -len(row.question["input_ids"]))  # as in_batches has them
        rows = [rows[index] for index in self._order(rows)]
        inputs = to_device_of(self._model, pad_rows([row.question for row in rows], self._pad, "left"))
        with torch.inference_mode(), self._model.autocast(inputs["input_ids"].device.type):
            new, sure = self._batch.join(inputs["input_ids"], inputs["attention_mask"])
        self._take(rows, new)
        self._believe(rows, sure)
        first, self.rows = not self.rows, [*self.rows, *rows]
        if not first:
            self._keep_unfinished()

    def write(self, pause: Callable[[], bool], leave: bool) -> None:
        """Write until all answers have ended, or until ``pause`` says so after a token.

        Args:
            pause: is asked after each token of all rows.
            leave: whether rows leave as soon as half of those in the batch have ended. Else they stay to the end, and
                all numbers are those of the batch by itself, bit for bit.
        """
        while self.unfinished:
            if leave and self._half:
                self._keep_unfinished()
            limit = max(row.limit - len(row.tokens) for row in self.rows if not row.ended)
            paused = False

            def ended(new: Tensor) -> bool:  # (rows, new)
                nonlocal paused
                self._take(self.rows, new)
                paused = pause()
                return paused or not self.unfinished or (leave and self._half)

            with torch.inference_mode(), self._model.autocast(self._model_device):
                _, sure = self._batch.write(limit, ended)
            self._believe(self.rows, sure)
            if paused:
                return

    @property
    def _half(self) -> bool:
        """Whether half of the rows have ended: often enough, and a batch is put together anew only a few times."""
        return 2 * self.unfinished <= len(self.rows)

    @property
    def _model_device(self) -> str:
        return next(self._model.parameters()).device.type

    def _keep_unfinished(self) -> None:
        left = [index for index, row in enumerate(self.rows) if not row.ended]
        order = [left[index] for index in self._order([self.rows[index] for index in left])] if left else []
        with torch.inference_mode():
            self._batch.keep(order)
        self.rows = [self.rows[index] for index in order]

    def _order(self, rows: Sequence[AnswerRow]) -> Sequence[int]:
        return [*range(len(rows))] if self._arrange is None else self._arrange([row.owner for row in rows])

    def _take(self, rows: Sequence[AnswerRow], new: Tensor) -> None:
        for row, token in zip(rows, new[:, -1].tolist(), strict=True):
            row.take(token, self._ends, self._tokenizer)

    def _believe(self, rows: Sequence[AnswerRow], likelihoods: Tensor) -> None:
        for row, sure in zip(rows, likelihoods.tolist(), strict=True):
            row.likelihoods += sure
