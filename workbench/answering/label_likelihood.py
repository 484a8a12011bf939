"""A classification answered by a causal language model: the label that it holds to be the most likely continuation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from adapter_workbench.workbench.backbone.batching import in_batches, pad_rows, require_scores
from adapter_workbench.workbench.backbone.prompts import Demonstrations, prompts
from adapter_workbench.workbench.backbone.tokenizing import texts_of, tokenise
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kinds.classification import Classification

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets import Dataset
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.workbench.backbone.network import Network

TEXT, PAIR = "{text}", "{text_pair}"
PLACES = re.compile(r"\{(text|text_pair|labels)\}")
LISTED = 20  # labels that a question names
ROOM = 8  # tokens that have to be left for a text


@dataclass(frozen=True)
class LabelLikelihood(Classification):
    """The score of a label is the sum of its tokens' log-probabilities behind the question, given those before.

    That is ``acc`` of EleutherAI's harness; divided by the label's characters it is ``acc_norm`` there (Gao et al.
    2024, doi:10.5281/zenodo.12608602). The token that ends an answer does not count. Questions are put as those of
    causal-lm tasks are (:func:`prompts`), so chat templates are followed. A text that is too
    long is cut at its end, so that the question behind it stays.
    """

    labels: tuple[str, ...]  # their names, in the order of their numbers
    template: str  # the question; ``{text}``, ``{text_pair}`` and ``{labels}`` stand for what they say
    # rows (text, second text or None, label) that stand solved before every question
    shown: tuple[tuple[str, str | None, str], ...] = ()
    per_character: bool = False  # whether a score is divided by the number of the label's characters

    def answers(
        self, model: Network, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int
    ) -> NDArray[np.float32]:
        """Return the scores (examples, labels).

        Raises:
            AnswerError: they are no numbers.
            InputError: ``max_length`` leaves no room for a text, or the tokenizer cannot tell labels apart.
        """
        labels = self._label_tokens(tokenizer)
        paths = _paths(labels)
        questions = _tokens_of(self.prompts(rows, tokenizer, max_length), tokenizer)
        encoded = [_encoded([*ids, *path]) for ids in questions for path in paths]
        of_path = [[index for index, label in enumerate(labels) if _holder(label, paths) == path] for path in paths]

        def call(indices: list[int], batch: dict[str, Tensor]) -> list[list[tuple[int, float]]]:
            likely: list[list[tuple[int, float]]] = []
            asked = torch.zeros_like(batch["attention_mask"])
            for row, index in enumerate(indices):
                asked[row, : len(questions[index // len(paths)])] = 1
            for row, states in enumerate(model.states(**batch, question=asked)):  # one at a time: a vocabulary is large
                path, start = indices[row] % len(paths), len(questions[indices[row] // len(paths)]) - 1
                logits = model.head(states[start : start + len(paths[path]) + 1])
                log_probabilities = logits.float().log_softmax(dim=-1)  # (tokens of the path + 1, vocabulary)
                likely.append([(label, _sum(log_probabilities, labels[label])) for label in of_path[path]])
            return likely

        by_path = in_batches(call, model, encoded, lambda batch: pad_rows(batch, tokenizer.pad_token_id, "right"))
        scores = np.empty((len(rows), len(labels)), dtype=np.float32)
        for index, likely in enumerate(by_path):
            for label, value in likely:
                scores[index // len(paths), label] = value
        if self.per_character:
            scores /= np.array([len(label) for label in self.labels], dtype=np.float32)
        require_scores(scores)
        return scores

    def prompts(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[str]:
        """Return each question as the model reads it, up to where its answer begins.

        Raises:
            InputError: ``max_length`` leaves no room for a text.
        """
        share = max_length // (len(self.shown) + 1)
        longest = max(map(len, self._label_tokens(tokenizer)))
        empty = prompts([self.question("", None)], tokenizer)
        room = share - longest - len(_tokens_of(empty, tokenizer)[0])
        if room < ROOM:
            needed = (max_length // share) * (share - room + 96)
            message = f"max_length {max_length} leaves no room for texts beside the question and its labels"
            hint = f"Raise it (--set budget.max_length={needed}), show fewer examples, or put a shorter question."
            raise InputError(message, hint=hint)
        shown = [*zip(*self.shown, strict=True)] or [(), (), ()]
        examples = self._questions(shown[0], shown[1], tokenizer, room)
        pairs = rows["text_pair"][:] if "text_pair" in rows.column_names else [None] * len(rows)
        demonstrations: Demonstrations = tuple(zip(examples, shown[2], strict=True))
        return prompts(self._questions(rows["text"][:], pairs, tokenizer, room), tokenizer, demonstrations)

    def question(self, text: str, pair: str | None) -> str:
        """Return the question about a text, or a pair of texts."""
        values = {"text": text, "text_pair": pair or "", "labels": ", ".join(self.labels[:LISTED])}
        return PLACES.sub(lambda match: values[match[1]], self.template)

    def _questions(
        self, texts: Sequence[str], pairs: Sequence[str | None], tokenizer: PreTrainedTokenizerBase, room: int
    ) -> list[str]:
        halves = [room if pair is None else room // 2 for pair in pairs]
        first = _shortened(texts, halves, tokenizer)
        second = _shortened([pair or "" for pair in pairs], halves, tokenizer)
        return [self.question(text, pair) for text, pair in zip(first, second, strict=True)]

    def _label_tokens(self, tokenizer: PreTrainedTokenizerBase) -> list[tuple[int, ...]]:
        labels = [tuple(ids) for ids in _tokens_of([*self.labels], tokenizer)]
        if not all(labels) or len({*labels}) < len(labels):
            hint = "Measure this task by a fitted head (labels: head), or give its labels other names."
            raise InputError(f"this tokenizer cannot tell the labels apart: {', '.join(self.labels)}", hint=hint)
        return labels


def _shortened(texts: Sequence[str], rooms: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Return texts of which those are cut at their end that take more tokens than they have room for."""
    if not texts:
        return []
    tokens = _tokens_of([*texts], tokenizer)
    return [
        texts_of(tokenizer, [ids[:room]])[0] if len(ids) > room else text
        for text, ids, room in zip(texts, tokens, rooms, strict=True)
    ]


def _paths(labels: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Return the tokens that are put behind a question so that the next ones show all labels.

    The last token of a label has to be predicted and not read, and a label whose other tokens begin those of another is
    read with that one: labels of one token need no text but the question.
    """
    read = sorted({label[:-1] for label in labels}, key=len, reverse=True)
    paths: list[tuple[int, ...]] = []
    for path in read:
        if not any(longer[: len(path)] == path for longer in paths):
            paths.append(path)
    return sorted(paths)


def _holder(label: tuple[int, ...], paths: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the first path that holds the tokens of a label but the last."""
    return next(path for path in paths if path[: len(label) - 1] == label[:-1])


def _tokens_of(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    ids: list[list[int]] = tokenise(tokenizer, [*texts], add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def _encoded(ids: list[int]) -> dict[str, Any]:
    return {"input_ids": ids, "attention_mask": [1] * len(ids)}


def _sum(log_probabilities: Tensor, tokens: tuple[int, ...]) -> float:
    """Return the log-probability of ``tokens``; row k of (tokens, vocabulary) predicts the k-th."""
    return float(log_probabilities[torch.arange(len(tokens)), list(tokens)].sum())
