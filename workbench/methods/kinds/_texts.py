"""What kinds share that read one feature vector off a text: how texts become batches, and logits."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from adapter_workbench.workbench.backbone.batching import in_batches, require_scores
from adapter_workbench.workbench.backbone.long_pairs import shortened
from adapter_workbench.workbench.backbone.tokenizing import text_side, tokenise

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from adapter_workbench.workbench.backbone.network import Network


class ReadsTexts:
    """A text or a pair of texts, pooled to one vector; what is learned from it stands in ``columns`` of the rows.

    Attributes:
        columns: column of a row → name among the model's inputs, for training.
    """

    columns: ClassVar[Mapping[str, str]]

    def objection(self, config: PretrainedConfig) -> str | None:
        """Return None: every transformer has states to pool."""
        return None

    def questions(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[dict[str, Any]]:
        """Tokenise, cutting what is longer than ``max_length`` tokens (of a pair, the longer text first)."""
        columns = dict(_columns(rows, tokenizer, truncation=True, max_length=max_length))
        if "group" in rows.column_names:
            columns["group"] = rows["group"][:]
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    def lengths(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
        """Count the tokens of each text or pair, special tokens included."""
        columns = _columns(rows, tokenizer, truncation=False, verbose=False)
        ids = columns["input_ids"]
        return [len(tokens) for tokens in ids], [0] * len(ids)

    def encode(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[dict[str, Any]]:
        """Return the questions, each with what is to be learned from it."""
        given = {key: rows[name][:] for name, key in self.columns.items() if name in rows.column_names}
        answers = [dict(zip(given, values, strict=True)) for values in zip(*given.values(), strict=True)]
        questions = self.questions(rows, tokenizer, max_length)
        return [{**row, **answer} for row, answer in zip(questions, answers, strict=True)]

    def collate(self, tokenizer: PreTrainedTokenizerBase) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
        """Pad to the longest text of the batch."""
        from transformers import DataCollatorWithPadding

        padding = copy.copy(tokenizer)  # the one that was given pads prompts as it says
        padding.padding_side = text_side(tokenizer)
        collator: Callable[[list[dict[str, Any]]], dict[str, Tensor]] = DataCollatorWithPadding(padding)
        return collator

    def read(self, model: Network, inputs: dict[str, Tensor], labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return the texts' feature vectors (batch, hidden_size), and the labels as they are."""
        return model.features(**inputs), labels

    def answers(self, model: Network, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Any:
        """Return the logits (examples, labels); raises AnswerError where they are no numbers."""

        def call(_: list[int], batch: dict[str, Tensor]) -> NDArray[np.float32]:
            logits: NDArray[np.float32] = model(**batch)["logits"].float().cpu().numpy()
            return logits

        questions = self.questions(rows, tokenizer, max_length)
        logits = np.stack(in_batches(call, model, questions, self.collate(tokenizer)))
        require_scores(logits)
        return logits


def reads_features(kind: object) -> bool:
    """Return whether a kind reads the texts' feature vectors and nothing else."""
    return getattr(type(kind), "read", None) is ReadsTexts.read


def _columns(rows: Dataset, tokenizer: PreTrainedTokenizerBase, **options: Any) -> Mapping[str, list[Any]]:
    """Return what the tokenizer makes of the texts, by column; in a union of tasks only some rows may be pairs."""
    texts = [rows[name][:] for name in ("text", "text_pair") if name in rows.column_names]
    if all(None not in column for column in texts):
        return _encoded(texts, tokenizer, **options)
    encodings = [
        _encoded([[text] for text in row if text is not None], tokenizer, **options) for row in zip(*texts, strict=True)
    ]
    return {name: [encoding[name][0] for encoding in encodings] for name in encodings[0]}


def _encoded(texts: list[list[str]], tokenizer: PreTrainedTokenizerBase, **options: Any) -> Mapping[str, list[Any]]:
    """Return what the tokenizer makes of one column of texts, or of two columns of pairs."""
    if len(texts) == 2 and options["truncation"]:
        texts = [*shortened(tokenizer, texts[0], texts[1], options["max_length"])]
    columns: Mapping[str, list[Any]] = tokenise(tokenizer, *texts, **options)
    return columns
