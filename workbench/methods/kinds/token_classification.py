"""token-classification: a tag for each word of a text: named entities (BIO tags), parts of speech."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from adapter_workbench.workbench.backbone.architecture import state_width
from adapter_workbench.workbench.backbone.batching import IGNORED, in_batches, pad_rows, require_scores
from adapter_workbench.workbench.backbone.tokenizing import tokenise
from adapter_workbench.workbench.measures.label_counts import LabelCounts
from adapter_workbench.workbench.measures.softmax import log_softmax
from adapter_workbench.workbench.methods.kinds._programs import TOKEN_CLASSIFICATION

if TYPE_CHECKING:
    import pandas as pd
    from datasets import Dataset
    from numpy.typing import NDArray
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from adapter_workbench.workbench.backbone.network import Network
    from adapter_workbench.workbench.backbone.pretrained import Backbone

OUTSIDE = "O"
INSIDE = ("B-", "I-", "E-", "S-", "L-", "U-")  # of IOB1, IOB2, BIOES and BILOU
AS_BIOES = {"L-": "E-", "U-": "S-"}  # what seqeval calls the last word of an entity, and its only one


@dataclass(frozen=True)
class TaggedText:
    """A model's answer to one text."""

    words: tuple[str, ...]  # of the text
    # of each word (words, labels); NaN for words that the model did not see, as the text was cut
    logits: NDArray[np.float32]


class TokenClassification:
    """A linear layer on the state of each word's first sub-word, trained with cross-entropy.

    Words are what stands between white space. The first sub-word of a word carries its tag, the others none (−100), as
    Devlin et al. 2019 (arXiv:1810.04805, § 5.3) do it. With BIO tags the score is the F1 of whole entities, type and
    both ends right, counted over the split as conlleval does (by the package seqeval); with others, as parts of speech,
    it is the share of words with the right tag. A word that was cut off has no tag: outside of any entity, and wrong.
    """

    metric = "score"
    pipeline_tag = "token-classification"
    target = "tags"
    usage = TOKEN_CLASSIFICATION

    def objection(self, config: PretrainedConfig) -> str | None:
        """Return None: every transformer has token states."""
        return None

    def head(self, backbone: Backbone, task_labels: int) -> nn.Module:
        """Return a linear layer (width of the states → task_labels)."""
        return nn.Linear(state_width(backbone.config), task_labels)

    def questions(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[dict[str, Any]]:
        """Tokenise, cutting what is longer than ``max_length`` tokens."""
        ids = tokenise(tokenizer, rows["text"][:], truncation=True, max_length=max_length)["input_ids"]
        return [{"input_ids": tokens, "attention_mask": [1] * len(tokens)} for tokens in ids]

    def lengths(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
        """Count the tokens of each text, special tokens included."""
        ids = tokenise(tokenizer, rows["text"][:], verbose=False)["input_ids"]
        return [len(tokens) for tokens in ids], [0] * len(ids)

    def encode(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[dict[str, Any]]:
        """Return the questions, each with a label for each token: a tag, or −100."""
        questions, encoded = self.questions(rows, tokenizer, max_length), []
        for row, tags, first in zip(questions, rows["tags"][:], _firsts(rows, tokenizer, max_length), strict=True):
            labels = [IGNORED] * len(row["input_ids"])
            for word, position in first.items():
                labels[position] = tags[word]
            encoded.append({**row, "labels": labels})
        return encoded

    def collate(self, tokenizer: PreTrainedTokenizerBase) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
        """Pad on the right to the longest row of the batch."""
        return lambda rows: pad_rows(rows, tokenizer.pad_token_id, "right")

    def read(self, model: Network, inputs: dict[str, Tensor], labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return the token states (batch, tokens, h); with labels, those of words' first sub-words (words, h)."""
        states = model.states(**inputs)
        if labels is None:
            return states, None
        learned = labels != IGNORED
        return states[learned], labels[learned]

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy over the words of the batch: logits (words, labels), labels (words,)."""
        return nn.functional.cross_entropy(logits, labels)

    def answers(
        self, model: Network, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int
    ) -> list[TaggedText]:
        """Return the logits of each word of each text; raises AnswerError where they are no numbers."""
        words, firsts = [tuple(text.split()) for text in rows["text"][:]], _firsts(rows, tokenizer, max_length)

        def tag(indices: list[int], batch: dict[str, Tensor]) -> list[TaggedText]:
            logits, tagged = model(**batch)["logits"].float().cpu().numpy(), []
            for index, row in zip(indices, logits, strict=True):
                seen, tokens = list(firsts[index]), list(firsts[index].values())
                word_logits = np.full((len(words[index]), row.shape[-1]), np.nan, dtype=np.float32)
                word_logits[seen] = row[tokens]
                tagged.append(TaggedText(words[index], word_logits))
            return tagged

        answers = in_batches(tag, model, self.questions(rows, tokenizer, max_length), self.collate(tokenizer))
        require_scores([answer.logits[list(first)] for answer, first in zip(answers, firsts, strict=True)])
        return answers

    def digest(self, answers: Sequence[TaggedText]) -> str:
        """Return the SHA-256 of all logits' bytes, and of how many words each text has."""
        checksum = hashlib.sha256()
        for answer in answers:
            checksum.update(f"{len(answer.words)} ".encode() + answer.logits.tobytes())
        return checksum.hexdigest()

    def outcomes(self, rows: Dataset, answers: Sequence[TaggedText]) -> pd.DataFrame:
        """Return one row per text.

        Columns: id, label and prediction (tags with spaces), ``correct`` (all tags right), ``confidence`` (probability
        of all tags given, words being independent), ``log_likelihood`` (mean over words of that of the right tag),
        ``words``, ``right`` (words with the right tag) and, with BIO tags, entities: ``wanted``, ``found``, ``hits``.
        """
        import pandas as pd

        tag_names: list[str] = rows.features["tags"].feature.names
        records = []
        for tags, answer in zip(rows["tags"][:], answers, strict=True):
            right, answered, confidence = (
                [tag_names[tag] for tag in tags],
                _tags(answer, tag_names),
                _confidence(answer),
            )
            likely = log_softmax(answer.logits)[np.arange(len(tags)), tags]
            seen = np.isfinite(likely)
            records.append(
                {
                    "label": " ".join(right),
                    "prediction": " ".join(answered),
                    "correct": right == answered and bool(seen.all()),
                    "confidence": np.nan if confidence is None else confidence,
                    "log_likelihood": likely[seen].mean() if seen.any() else np.nan,
                    "words": len(tags),
                    "right": int((np.array(right) == answered)[seen].sum()),
                    **(_entity_counts(right, answered) if is_bio(tag_names) else {}),
                }
            )
        return pd.DataFrame({"id": rows["id"][:], **pd.DataFrame(records)})

    def scores(self, outcomes: pd.DataFrame, task_labels: int) -> dict[str, float]:
        """Return accuracy over all words and, with BIO tags, precision, recall and F1 of entities; ``score`` is one."""
        accuracy = float(outcomes["right"].sum() / outcomes["words"].sum())
        if "hits" not in outcomes:
            return {"score": accuracy, "accuracy": accuracy}
        hits, predicted, expected = (int(outcomes[name].sum()) for name in ("hits", "found", "wanted"))
        f1 = _ratio(2 * hits, predicted + expected)
        entities = {"precision": _ratio(hits, predicted), "recall": _ratio(hits, expected), "entity_f1": f1}
        return {"score": f1, "accuracy": accuracy, **entities}

    def label_counts(self, outcomes: pd.DataFrame, labels: Sequence[str]) -> LabelCounts:
        """Return the counts of each type of entity; where tags mark no entities, of each tag, over words."""
        pairs = [
            (right.split(" "), answered.split(" "))
            for right, answered in zip(outcomes["label"], outcomes["prediction"], strict=True)
        ]
        if is_bio(labels):
            span_pairs = [tuple({*_entities(tags)} for tags in pair) for pair in pairs]
            names = sorted({label[2:] for label in labels if label != OUTSIDE})
        else:
            span_pairs = [tuple({(tag, at, at) for at, tag in enumerate(tags)} for tags in pair) for pair in pairs]
            names = [*labels]
        every = [
            [_by_name(spans, names) for spans in (right, answered, right & answered)] for right, answered in span_pairs
        ]
        expected, answered, hits = np.array(every, dtype=np.int64).reshape(len(pairs), 3, len(names)).swapaxes(0, 1)
        return LabelCounts(tuple(names), expected, answered, hits, np.ones(len(pairs), dtype=np.int64))

    def say(self, answers: Sequence[TaggedText], labels: Sequence[str]) -> list[tuple[str, float | None]]:
        """Return the entities, ``PER: Ada Lovelace; LOC: London``, or with other tags each word's, ``cats/NOUN``."""
        pairs: list[tuple[str, float | None]] = []
        for answer in answers:
            tags = _tags(answer, labels)
            if is_bio(labels):
                spans = [f"{kind}: {' '.join(answer.words[start : end + 1])}" for kind, start, end in _entities(tags)]
                text = "; ".join(spans)
            else:
                text = " ".join(f"{word}/{tag}" for word, tag in zip(answer.words, tags, strict=True))
            pairs.append((text, _confidence(answer)))
        return pairs

    def values(self, answers: Sequence[TaggedText], labels: Sequence[str]) -> list[list[str]]:
        """Return a tag for each word of each text; ``O``, or nothing, for words that were cut off."""
        return [_tags(answer, labels) for answer in answers]

    def majority(self, train: Dataset, test: Dataset) -> float:
        """Return the test score of giving every word the training split's most frequent tag."""
        tag_names: list[str] = test.features["tags"].feature.names
        tag = Counter(tag for tags in train["tags"][:] for tag in tags).most_common(1)[0][0]
        constant_answers = [
            TaggedText(("",) * len(tags), np.tile(np.eye(len(tag_names))[tag], (len(tags), 1))) for tags in test["tags"]
        ]
        return self.scores(self.outcomes(test, constant_answers), len(tag_names))[self.metric]


def reads_tokens(kind: object) -> bool:
    """Return whether a kind reads the states of those tokens that carry a label."""
    return getattr(type(kind), "read", None) is TokenClassification.read


def is_bio(names: Sequence[str]) -> bool:
    """Return whether tags mark entities: ``O``, and beside it ``B-TYPE``, ``I-TYPE`` and the like alone."""
    return OUTSIDE in names and len(names) > 1 and all(name[:2] in INSIDE for name in names if name != OUTSIDE)


def _firsts(rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[dict[int, int]]:
    """Return for each text: index of a word → index of its first token, for the words that are not cut off.

    A token belongs to the word in which its last character stands, since some tokenizers count the space before a word
    to it and some do not.
    """
    texts = rows["text"][:]
    offsets = tokenise(tokenizer, texts, truncation=True, max_length=max_length, return_offsets_mapping=True)[
        "offset_mapping"
    ]
    firsts = []
    for text, spans in zip(texts, offsets, strict=True):
        word_at = np.cumsum(
            [not character.isspace() and (at == 0 or text[at - 1].isspace()) for at, character in enumerate(text)]
        )
        first: dict[int, int] = {}
        for position, (start, end) in enumerate(spans):
            if end > start and not text[end - 1].isspace():
                first.setdefault(int(word_at[end - 1]) - 1, position)
        firsts.append(first)
    return firsts


def _tags(answer: TaggedText, names: Sequence[str]) -> list[str]:
    missing = OUTSIDE if OUTSIDE in names else ""
    return [missing if np.isnan(row).any() else names[row.argmax()] for row in answer.logits]


def _confidence(answer: TaggedText) -> float | None:
    seen = answer.logits[np.isfinite(answer.logits).all(axis=1)]
    return float(np.exp(log_softmax(seen).max(axis=1).sum())) if len(seen) else None


def _entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return the entities of a text: type, first and last word."""
    from seqeval.metrics.sequence_labeling import get_entities

    entities: list[tuple[str, int, int]] = get_entities([AS_BIOES.get(tag[:2], tag[:2]) + tag[2:] for tag in tags])
    return entities


def _entity_counts(right: Sequence[str], answered: Sequence[str]) -> dict[str, int]:
    expected, predicted = set(_entities(right)), set(_entities(answered))
    return {"wanted": len(expected), "found": len(predicted), "hits": len(expected & predicted)}


def _by_name(spans: Iterable[tuple[str, int, int]], names: Sequence[str]) -> list[int]:
    counts = Counter(name for name, _, _ in spans)
    return [counts[name] for name in names]


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else 0.0


KIND = TokenClassification()
