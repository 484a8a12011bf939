"""An adapted body as a language model of EleutherAI's harness: how likely texts are, and how it continues them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from lm_eval.api.model import TemplateLM
from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
from torch import Tensor

from adapter_workbench.workbench.backbone.architecture import positions
from adapter_workbench.workbench.backbone.batching import IGNORED, in_batches, pad_rows
from adapter_workbench.workbench.backbone.generation import generate, language_model, virtual_tokens
from adapter_workbench.workbench.backbone.raw_texts import leading_tokens, tokens_of_raw
from adapter_workbench.workbench.backbone.tokenizing import texts_of
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.workbench.methods.model import TaskModel

LONGEST = 2048  # tokens of a text, for models whose config does not say; the harness takes as many
Row = tuple[Any, list[int], list[int]]  # as the harness calls it; tokens of a context, and of what follows it


@dataclass(frozen=True)
class Question:
    """A text that the model continues."""

    ids: list[int]  # its tokens, as many as leave room for the answer
    limit: int  # at most so many new tokens
    stops: tuple[str, ...]  # texts before which an answer ends

    def ends(self, text: str) -> bool:
        """Return whether an answer ends somewhere in ``text``."""
        return any(stop in text for stop in self.stops)

    def answer(self, text: str) -> str:
        """Return ``text`` up to where the answer ends."""
        for stop in self.stops:
            text = text.split(stop)[0]
        return text


class AdaptedLM(TemplateLM):  # type: ignore[misc]  # lm-eval publishes no types
    """A body under its language head, in evaluation mode; the harness's own class would tie the head to its embeddings.

    Texts are read as the harness's class for transformers reads them: what the tokenizer puts before a text stands
    before each, contexts that are too long are cut at their beginning, and answers are the most likely tokens.
    """

    def __init__(self, model: TaskModel, tokenizer: PreTrainedTokenizerBase, batch_size: int) -> None:
        """Take over ``model``, whose head gives the logits of next tokens."""
        super().__init__()
        self.model, self.tokenizer, self.batch_size = model, tokenizer, batch_size
        self.virtual = virtual_tokens(model)
        config: Any = model.body.config
        room = positions(config) or min(tokenizer.model_max_length, LONGEST)
        self.max_length = room - (0 if self.virtual is None else len(self.virtual))
        self.before = leading_tokens(tokenizer)

    @property
    def eot_token_id(self) -> int:
        """The token that ends a text."""
        return int(self.tokenizer.eos_token_id)

    @property
    def prefix_token_id(self) -> int:
        """The token before a text that has no context."""
        first = self.tokenizer.bos_token_id
        return self.eot_token_id if first is None else int(first)

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """Return the tokens of a text, after those that the tokenizer puts before one."""
        return tokens_of_raw(self.tokenizer, string, () if add_special_tokens is False else self.before)

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        """Return for each pair of context and what follows it the latter's log-likelihood, and whether it is greedy."""
        likelihoods: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm=True)
        return likelihoods

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = True) -> list[float]:
        """Return the log-likelihood of each text, whose tokens are predicted window by window."""
        texts = [[*self._windows(*request.args)] for request in requests]
        likelihoods = iter(self._loglikelihood_tokens([window for windows in texts for window in windows]))
        return [sum(next(likelihoods)[0] for _ in windows) for windows in texts]

    def generate_until(self, requests: list[Any], disable_tqdm: bool = True) -> list[str]:
        """Return how the model continues each text.

        Raises:
            InputError: an answer may take more tokens than the model reads.
        """
        questions = [self._question(*request.args) for request in requests]
        lm, pad = language_model(self.model), self.tokenizer.pad_token_id

        def ask(indices: list[int], batch: dict[str, Tensor]) -> list[str]:
            ids, mask = batch["input_ids"], batch["attention_mask"]
            batch_questions = [questions[index] for index in indices]

            def ended(new: Tensor) -> Tensor:
                ends = [question.ends(text) for question, text in zip(batch_questions, self._texts(new), strict=True)]
                return torch.tensor(ends, device=new.device)

            with self.model.autocast(ids.device.type):
                limit = max(question.limit for question in batch_questions)
                new, _ = generate(lm, ids, mask, limit, (self.eot_token_id,), pad, self.virtual, ended)
            rows = [row[: question.limit] for question, row in zip(batch_questions, new, strict=True)]
            return [question.answer(text) for question, text in zip(batch_questions, self._texts(rows), strict=True)]

        rows = [{"input_ids": question.ids, "attention_mask": [1] * len(question.ids)} for question in questions]
        return in_batches(ask, self.model, rows, lambda batch: pad_rows(batch, pad, "left"), self.batch_size)

    def _texts(self, rows: Sequence[Tensor] | Tensor) -> list[str]:
        return texts_of(self.tokenizer, [row.tolist() for row in rows], skip_special_tokens=True)

    def _windows(self, text: str) -> list[Row]:
        ids = self.tok_encode(text)
        pairs = get_rolling_token_windows(ids, self.prefix_token_id, self.max_length, 1)
        return [(None, *make_disjoint_window(pair)) for pair in pairs]

    def _question(self, context: str, options: dict[str, Any]) -> Question:
        kwargs = normalize_gen_kwargs(options)
        limit = int(kwargs["max_gen_toks"])
        if limit >= self.max_length:
            message = f"answers of up to {limit} tokens leave no token for a question (max_length {self.max_length})"
            hint = "The task sets the length of answers: max_gen_toks in its generation_kwargs."
            raise InputError(message, hint=hint)
        stops = handle_stop_sequences(kwargs["until"], eos=None)
        ids = self.tok_encode(context)[limit - self.max_length :] or [self.prefix_token_id]
        return Question(ids, limit, tuple(filter(None, stops)))

    def _loglikelihood_tokens(self, requests: Sequence[Row], **_: Any) -> list[tuple[float, bool]]:
        rows, pad = [self._row(*tokens) for _, *tokens in requests], self.tokenizer.pad_token_id
        return in_batches(self._score, self.model, rows, lambda batch: pad_rows(batch, pad, "right"), self.batch_size)

    def _row(self, context: list[int], following: list[int]) -> dict[str, Any]:
        ids = [*context, *following][-(self.max_length + 1) :]
        count = min(len(following), len(ids) - 1)  # no state predicts the first token
        labels = [IGNORED] * (len(ids) - 1 - count) + ids[len(ids) - count :]
        return {"input_ids": ids[:-1], "attention_mask": [1] * (len(ids) - 1), "labels": labels}

    def _score(self, _: list[int], batch: dict[str, Tensor]) -> list[tuple[float, bool]]:
        label_rows, likelihoods = batch.pop("labels"), []
        for states, labels in zip(self.model.states(**batch), label_rows, strict=True):  # one at a time: vocabularies
            predicted = labels != IGNORED
            likely = self.model.head(states[predicted]).float().log_softmax(dim=-1)  # (predicted, vocabulary)
            chosen = likely.gather(1, labels[predicted].unsqueeze(1))  # (predicted, 1)
            likelihoods.append((float(chosen.sum()), bool((likely.argmax(dim=-1) == labels[predicted]).all())))
        return likelihoods
