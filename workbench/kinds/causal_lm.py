"""causal-lm: an instruction is answered in words; only the answer is learned, and it is generated when tested."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from torch import Tensor, nn

from workbench.batching import IGNORED, in_batches, padded
from workbench.errors import InputError
from workbench.generation import generate, language_model, output_layer, virtual_tokens
from workbench.kinds._programs import CAUSAL_LM
from workbench.prompts import NEW_TOKENS, Demonstrations, end_token, prompt
from workbench.text_scores import TEXT_SCORES

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

    from workbench.backbone import Backbone
    from workbench.model import TaskModel


@dataclass(frozen=True)
class Answer:
    """What a model answers to one prompt.

    Attributes:
        text: the answer, special tokens and outer white space left out.
        tokens: the generated tokens (new,), the end token included where it came.
        likelihoods: log-probability of each of them, given those before (new,).
        wanted: log-probability of each token of the right answer, end token included, given those before; None where
            the right answer is not known.
    """

    text: str
    tokens: NDArray[np.int64]
    likelihoods: NDArray[np.float32]
    wanted: NDArray[np.float32] | None


@dataclass(frozen=True)
class CausalLM:
    """The backbone's own output layer, frozen; loss on the answer alone; greedy generation, scored as each row says.

    A row has ``text`` and ``answer``, and says how an answer to it is judged (``metric``) and how many tokens it may
    take (``max_new_tokens``): so rows of several tasks can be mixed. Of ``max_length`` tokens an answer has
    ``max_new_tokens``, its end token included; what is longer is cut at its end. The rest is the prompt's, and what is
    longer is cut at its beginning. Validation generates as testing does, so that the epoch is chosen by the score that
    is reported; what that costs is bounded by ``max_new_tokens`` and the size of the validation split.

    Attributes:
        demonstrations: solved examples that stand before every question.
    """

    metric: ClassVar[str] = "score"
    usage: ClassVar[str] = CAUSAL_LM
    demonstrations: Demonstrations = ()

    def head(self, backbone: Backbone, task_labels: int) -> nn.Module:
        """Return the backbone's output layer; raises InputError where it is no causal language model."""
        return output_layer(backbone)

    def questions(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[dict[str, Any]]:
        """Return the prompts.

        Raises:
            InputError: ``max_length`` leaves a prompt no token.
        """
        ids = self._prompts(rows, tokenizer)
        found = []
        for each, limit in zip(ids, _limits(rows), strict=True):
            if limit >= max_length:
                raise InputError(
                    f"max_length {max_length} leaves no token for a prompt before an answer of up to {limit} tokens",
                    hint=f"Raise it (--set budget.max_length={limit + 96}), or lower the task's max_new_tokens.",
                )
            kept = each[limit - max_length :]
            found.append({"input_ids": kept, "attention_mask": [1] * len(kept)})
        return found

    def lengths(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
        """Count the tokens of each prompt, chat template included, and of each answer with its end token."""
        prompts = self._prompts(rows, tokenizer)
        answers = _tokens(rows["answer"][:], tokenizer)
        return [len(ids) for ids in prompts], [len(ids) + 1 for ids in answers]

    def encode(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[dict[str, Any]]:
        """Return prompt, answer and end token; the labels of the prompt's tokens are −100."""
        end = end_token(tokenizer)
        answers = _tokens(rows["answer"][:], tokenizer)
        prompts = [row["input_ids"] for row in self.questions(rows, tokenizer, max_length)]
        found = []
        for asked, answer, limit in zip(prompts, answers, _limits(rows), strict=True):
            target = [*answer[: limit - 1], end]
            ids, labels = [*asked, *target], [IGNORED] * len(asked) + target
            found.append({"input_ids": ids, "attention_mask": [1] * len(ids), "labels": labels})
        return found

    def collate(self, tokenizer: PreTrainedTokenizerBase) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
        """Pad on the right to the longest row of the batch."""
        return lambda rows: padded(rows, tokenizer.pad_token_id, "right")

    def read(self, model: TaskModel, inputs: dict[str, Tensor], labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return the token states (batch, tokens, h); with labels, those before answer tokens (answer tokens, h)."""
        states = model.states(**inputs)
        if labels is None:
            return states, None
        following = labels[:, 1:]  # the state at t tells token t + 1
        learned = following != IGNORED
        return states[:, :-1][learned], following[learned]

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy over the answer tokens of the batch: logits (tokens, vocabulary), labels (tokens,)."""
        return nn.functional.cross_entropy(logits, labels)

    def answers(
        self, model: TaskModel, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int
    ) -> list[Answer]:
        """Generate an answer to each row and, where ``rows`` have answers, tell how likely those are."""
        asked, limits, end = self.questions(rows, tokenizer, max_length), _limits(rows), end_token(tokenizer)
        lm, virtual, pad = language_model(model), virtual_tokens(model), tokenizer.pad_token_id

        def ask(places: list[int], batch: dict[str, Tensor]) -> list[tuple[Any, Any]]:
            ids, mask = batch["input_ids"], batch["attention_mask"]
            with model.autocast(ids.device.type):
                limit = max(limits[place] for place in places)
                tokens, likelihoods = generate(lm, ids, mask, limit, end, pad, virtual)
            lengths = [_length(row, limits[place], end) for row, place in zip(tokens.tolist(), places, strict=True)]
            found = zip(tokens.cpu().numpy(), likelihoods.cpu().numpy(), lengths, strict=True)
            return [(row[:length], each[:length]) for row, each, length in found]

        given = in_batches(ask, model, asked, lambda batch: padded(batch, pad, "left"))
        texts = tokenizer.batch_decode([tokens for tokens, _ in given], skip_special_tokens=True)
        known = "answer" in rows.column_names
        wanted = self._wanted(model, rows, tokenizer, max_length) if known else [None] * len(given)
        said = zip(texts, given, wanted, strict=True)
        return [Answer(text.strip(), tokens, sure, each) for text, (tokens, sure), each in said]

    def digest(self, answers: Sequence[Answer]) -> str:
        """Return the SHA-256 over the tokens generated, their log-probabilities, and those of the right answers."""
        told = hashlib.sha256()
        for answer in answers:
            parts = [answer.tokens.astype("<i8"), answer.likelihoods, answer.wanted]
            told.update(b"".join(b"" if part is None else f"{part.size} ".encode() + part.tobytes() for part in parts))
        return told.hexdigest()

    def outcomes(self, rows: Dataset, answers: Sequence[Answer]) -> pd.DataFrame:
        """Return one row per example: what was answered, and every score of it.

        Columns: id, answer, prediction, ``score`` (by the row's own metric), ``correct`` (score 1), ``confidence``
        (geometric mean of the generated tokens' probabilities), ``log_likelihood`` (mean over the tokens of the right
        answer), exact_match, numeric_match, rouge_l.
        """
        wanted, metrics = rows["answer"][:], _metrics(rows)
        pairs = list(zip((one.text for one in answers), wanted, strict=True))
        every = {name: [score(*pair) for pair in pairs] for name, score in TEXT_SCORES.items()}
        scores = np.array([every[metric][index] for index, metric in enumerate(metrics)])
        return pd.DataFrame(
            {
                "id": rows["id"][:],
                "answer": wanted,
                "prediction": [one.text for one in answers],
                "score": scores,
                "correct": scores == 1.0,
                "confidence": [_confidence(one) for one in answers],
                "log_likelihood": [np.nan if one.wanted is None else _mean(one.wanted) for one in answers],
                **{name.replace("-", "_"): values for name, values in every.items()},
            }
        )

    def scores(self, outcomes: pd.DataFrame, task_labels: int) -> dict[str, float]:
        """Return the mean of each score column: ``score`` is the task's own metric."""
        names = ["score", *(name.replace("-", "_") for name in TEXT_SCORES)]
        return {name: float(outcomes[name].mean()) for name in names}

    def say(self, answers: Sequence[Answer], labels: Sequence[str]) -> list[tuple[str, float]]:
        """Return each answer's text, and the geometric mean of its tokens' probabilities."""
        return [(one.text, _confidence(one)) for one in answers]

    def majority(self, train: Dataset, test: Dataset) -> float:
        """Return the test score of always giving the training split's most frequent answer (the first of equals)."""
        constant = Counter(train["answer"][:]).most_common(1)[0][0]
        pairs = zip(_metrics(test), test["answer"][:], strict=True)
        return _mean(np.array([TEXT_SCORES[metric](constant, wanted) for metric, wanted in pairs]))

    def _prompts(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
        return _tokens([prompt(text, tokenizer, self.demonstrations) for text in rows["text"][:]], tokenizer)

    def _wanted(
        self, model: TaskModel, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int
    ) -> list[NDArray[np.float32]]:
        """Return the log-probability of each token of each right answer, end token included."""

        def tell(_: list[int], batch: dict[str, Tensor]) -> list[NDArray[np.float32]]:
            following = batch.pop("labels")[:, 1:]
            states, found = model.states(**batch)[:, :-1], []
            for row, labels in zip(states, following, strict=True):  # one at a time: a vocabulary is large
                learned = labels != IGNORED
                likelihoods = model.head(row[learned]).log_softmax(dim=-1)  # (answer tokens, vocabulary)
                found.append(likelihoods.gather(1, labels[learned].unsqueeze(1)).squeeze(1).cpu().numpy())
            return found

        return in_batches(tell, model, self.encode(rows, tokenizer, max_length), self.collate(tokenizer))


def _tokens(texts: list[str], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def _limits(rows: Dataset) -> list[int]:
    return rows["max_new_tokens"][:] if "max_new_tokens" in rows.column_names else [NEW_TOKENS] * len(rows)


def _metrics(rows: Dataset) -> list[str]:
    return rows["metric"][:] if "metric" in rows.column_names else ["exact-match"] * len(rows)


def _length(tokens: list[int], limit: int, end: int) -> int:
    """Return how many of ``tokens`` are the answer: up to and with the end token, and no more than ``limit``."""
    kept = tokens[:limit]
    return kept.index(end) + 1 if end in kept else len(kept)


def _confidence(answer: Answer) -> float:
    return float(np.exp(_mean(answer.likelihoods)))


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean(dtype=np.float64))


KIND = CausalLM()
