"""What the kinds share that answer in words: what a generated answer is, how it is judged and how it is shown."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from torch import Tensor, nn

from adapter_workbench.workbench.backbone.batching import IGNORED, require_scores
from adapter_workbench.workbench.backbone.tokenizing import texts_of, tokenise
from adapter_workbench.workbench.measures.streaming import before_stop
from adapter_workbench.workbench.measures.text_scores import TEXT_SCORES
from adapter_workbench.workbench.methods.kind import Written
from adapter_workbench.workbench.methods.kinds._generating import generated

if TYPE_CHECKING:
    import pandas as pd
    from datasets import Dataset
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.workbench.backbone.network import Network
    from adapter_workbench.workbench.methods.answer_rows import AnswerRow
    from adapter_workbench.workbench.methods.kind import Arrange
    from adapter_workbench.workbench.methods.kinds._generating import Write
    from adapter_workbench.workbench.methods.running_answers import ArrangeOwners, RunningAnswers


@dataclass(frozen=True)
class Answer:
    """What a model answers to one prompt."""

    text: str  # the answer, special tokens and outer white space left out
    tokens: NDArray[np.int64]  # the generated tokens (new,), the end token included where it came
    likelihoods: NDArray[np.float32]  # log-probability of each of them, given those before (new,)
    # log-probability of each token of the right answer, end token included, given those before; None where the right
    # answer is not known
    wanted: NDArray[np.float32] | None
    question: Sequence[int] = ()  # the tokens of the question
    complete: bool = True  # whether the answer came to its end, and was not cut at its limit


class AnswersInWords(ABC):
    """Rows have ``answer``, ``metric`` (how an answer is judged) and ``max_new_tokens`` (how long one may be)."""

    metric: ClassVar[str] = "score"
    target: ClassVar[str] = "answer"
    padded: ClassVar[str]  # side on which questions are filled up where answers to them are generated

    @abstractmethod
    def questions(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[dict[str, Any]]:
        """See :meth:`adapter_workbench.workbench.methods.kind.Kind.questions`."""

    @abstractmethod
    def writer(self, model: Network, tokenizer: PreTrainedTokenizerBase) -> Write:
        """Return what generates the answers of ``model`` to a batch."""

    @abstractmethod
    def right_log_probabilities(
        self, model: Network, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int
    ) -> list[NDArray[np.float32]]:
        """Return the log-probability of each token of each right answer, end token included."""

    def answers(
        self, model: Network, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int
    ) -> list[Answer]:
        """Generate an answer to each row and, where ``rows`` have answers, return how likely those are."""
        answers = self.generated(model, rows, self.questions(rows, tokenizer, max_length), tokenizer)
        if "answer" not in rows.column_names:
            return answers
        likely = self.right_log_probabilities(model, rows, tokenizer, max_length)
        return [replace(answer, wanted=wanted) for answer, wanted in zip(answers, likely, strict=True)]

    def generated(
        self,
        model: Network,
        rows: Dataset,
        questions: list[dict[str, Any]],
        tokenizer: PreTrainedTokenizerBase,
        arrange: Arrange | None = None,
    ) -> list[Answer]:
        """See :meth:`adapter_workbench.workbench.methods.kind.Generates.generated`."""
        write = self.writer(model, tokenizer)
        return self.finished(generated(model, rows, questions, tokenizer, write, self.padded, arrange), tokenizer)

    def running(
        self, model: Network, tokenizer: PreTrainedTokenizerBase, arrange: ArrangeOwners | None = None
    ) -> RunningAnswers | None:
        """See :meth:`Generates.running`; all answers of a batch are begun together."""
        return None

    def finished(self, rows: Sequence[AnswerRow], tokenizer: PreTrainedTokenizerBase) -> list[Answer]:
        """See :meth:`adapter_workbench.workbench.methods.kind.Generates.finished`."""
        likelihoods = [np.array(row.likelihoods[: len(row.tokens)], dtype=np.float32) for row in rows]
        require_scores(likelihoods)
        tokens = [np.array(row.tokens) for row in rows]
        texts = texts_of(tokenizer, tokens, skip_special_tokens=True)
        until = [before_stop(text, row.options.stop) for row, text in zip(rows, texts, strict=True)]
        shown = [text if row.options.raw else text.strip() for row, text in zip(rows, until, strict=True)]
        return [
            Answer(text, new, sure, None, row.question["input_ids"], row.complete)
            for row, text, new, sure in zip(rows, shown, tokens, likelihoods, strict=True)
        ]

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy over the answer tokens of the batch: logits (tokens, vocabulary), labels (tokens,)."""
        return nn.functional.cross_entropy(logits, labels)

    def digest(self, answers: Sequence[Answer]) -> str:
        """Return the SHA-256 over the tokens generated, their log-probabilities, and those of the right answers."""
        checksum = hashlib.sha256()
        for answer in answers:
            arrays = [answer.tokens.astype("<i8"), answer.likelihoods, answer.wanted]
            encoded = (b"" if array is None else f"{array.size} ".encode() + array.tobytes() for array in arrays)
            checksum.update(b"".join(encoded))
        return checksum.hexdigest()

    def outcomes(self, rows: Dataset, answers: Sequence[Answer]) -> pd.DataFrame:
        """Return one row per example: what was answered, and every score of it.

        Columns: id, answer, prediction, ``score`` (by the row's own metric), ``correct`` (score 1), ``confidence``
        (geometric mean of the generated tokens' probabilities), ``log_likelihood`` (mean over the tokens of the right
        answer), exact_match, numeric_match, rouge_l.
        """
        import pandas as pd

        right_answers, metrics = rows["answer"][:], _metrics(rows)
        pairs = list(zip((answer.text for answer in answers), right_answers, strict=True))
        all_scores = {name: [score(*pair) for pair in pairs] for name, score in TEXT_SCORES.items()}
        scores = np.array([all_scores[metric][index] for index, metric in enumerate(metrics)])
        return pd.DataFrame(
            {
                "id": rows["id"][:],
                "answer": right_answers,
                "prediction": [answer.text for answer in answers],
                "score": scores,
                "correct": scores == 1.0,
                "confidence": [_confidence(answer) for answer in answers],
                "log_likelihood": [np.nan if answer.wanted is None else _mean(answer.wanted) for answer in answers],
                **{name.replace("-", "_"): values for name, values in all_scores.items()},
            }
        )

    def scores(self, outcomes: pd.DataFrame, task_labels: int) -> dict[str, float]:
        """Return the mean of each score column: ``score`` is the task's own metric."""
        columns = ["score", *(name.replace("-", "_") for name in TEXT_SCORES)]
        return {name: float(outcomes[name].mean()) for name in columns}

    def label_counts(self, outcomes: pd.DataFrame, labels: Sequence[str]) -> None:
        """Return None: free text has no labels."""
        return None  # noqa: RET501  # without it this looks like a method that was forgotten

    def say(self, answers: Sequence[Answer], labels: Sequence[str]) -> list[tuple[str, float]]:
        """Return each answer's text, and the geometric mean of its tokens' probabilities."""
        return [(answer.text, _confidence(answer)) for answer in answers]

    def values(self, answers: Sequence[Answer], labels: Sequence[str]) -> list[str]:
        """Return each answer's text."""
        return [answer.text for answer in answers]

    def written(self, answers: Sequence[Answer]) -> list[Written]:
        """See :meth:`adapter_workbench.workbench.methods.kind.Generates.written`."""
        return [
            Written(
                len(answer.question), len(answer.tokens), answer.complete, (*answer.question, *answer.tokens.tolist())
            )
            for answer in answers
        ]

    def majority(self, train: Dataset, test: Dataset) -> float:
        """Return the test score of always giving the training split's most frequent answer (the first of equals)."""
        constant = Counter(train["answer"][:]).most_common(1)[0][0]
        pairs = zip(_metrics(test), test["answer"][:], strict=True)
        return _mean(np.array([TEXT_SCORES[metric](constant, answer) for metric, answer in pairs]))


def tokens_of(texts: list[str], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """Return the token ids of each text, without special tokens."""
    ids: list[list[int]] = tokenise(tokenizer, texts, add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def _metrics(rows: Dataset) -> list[str]:
    return rows["metric"][:] if "metric" in rows.column_names else ["exact-match"] * len(rows)


def likelihoods_of(head: nn.Module, states: Tensor, labels: Tensor) -> list[NDArray[np.float32]]:
    """Return for each row the log-probability of each label that is not ignored, from the state at its position.

    Args:
        head: states (tokens, hidden_size) → logits (tokens, vocabulary).
        states: (batch, tokens, hidden_size).
        labels: token ids (batch, tokens).
    """
    likelihoods = []
    for row, targets in zip(states, labels, strict=True):  # one at a time: a vocabulary is large
        learned = targets != IGNORED
        log_probabilities = head(row[learned]).log_softmax(dim=-1)  # (answer tokens, vocabulary)
        likelihoods.append(log_probabilities.gather(1, targets[learned].unsqueeze(1)).squeeze(1).cpu().numpy())
    return likelihoods


def _confidence(answer: Answer) -> float:
    return float(np.exp(_mean(answer.likelihoods)))


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean(dtype=np.float64))
