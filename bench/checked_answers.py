"""Answers of a server, each held against what its adapter says when it is asked alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from adapter_workbench.workbench.answering.predictor import OpenedAdapter

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from adapter_workbench.workbench.adapters.store import AdapterStore
    from adapter_workbench.workbench.backbone.pretrained import Backbone

TOLERANCE = 1e-5  # of a confidence in fp32: rows of one batch are added up in another order than alone
MOST_EXAMPLES = 10  # of wrong answers that are kept


class OwnAnswer(NamedTuple):
    """What an adapter says of a text when it is the only adapter and the text the only text."""

    label: str
    confidence: float


OwnAnswers = dict[str, list[OwnAnswer]]
"""Id of an adapter → its own answer to each text."""


def own_answers(store: AdapterStore, ids: Iterable[str], backbone: Backbone, texts: Sequence[str]) -> OwnAnswers:
    """Open each adapter by itself, as ``workbench predict`` does, and ask it about one text after another."""
    answers: OwnAnswers = {}
    for name in ids:
        opened = OpenedAdapter.open(store.get(name), backbone)
        alone = [opened.answers([text])[0] for text in texts]
        answers[name] = [OwnAnswer(answer.words, float(answer.confidence or 0)) for answer in alone]
    return answers


def alike(answers: OwnAnswers) -> float:
    """Return for how many of all pairs of adapters the answers to a text are within the tolerance: a share.

    As often would an answer of a wrong adapter, drawn at random, be taken for that of the right one.
    """
    confidences = np.array([[answer.confidence for answer in own] for own in answers.values()])  # (adapters, texts)
    labels = np.array([[answer.label for answer in own] for own in answers.values()])
    pairs = len(answers) * (len(answers) - 1) / 2 * confidences.shape[1]
    close = 0
    for first in range(len(answers) - 1):
        near = np.abs(confidences[first + 1 :] - confidences[first]) < TOLERANCE
        close += int((near & (labels[first + 1 :] == labels[first])).sum())
    return float(close / pairs)


@dataclass
class CheckedAnswers:
    """What came of requests until now; threads may share it.

    Attributes:
        own: id → what the adapter says alone; adapters may be added.
        texts: what can be asked.
        right: answers that are those of the adapter alone: the same label, and nearly the same confidence.
        equal: of them, those with the very same bits.
        furthest: the largest difference of a right answer's confidence.
        wrong: answers that are not.
        lost: texts to whose request there was no response.
        refused: code → texts that were refused.
        of_removed: right answers of adapters whose folder had been removed before the request was sent.
        examples: some of the wrong answers, and of the requests that were lost.
        milliseconds: of each request that was answered.
    """

    own: OwnAnswers
    texts: Sequence[str]
    right: int = 0
    equal: int = 0
    furthest: float = 0.0
    wrong: int = 0
    lost: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    of_removed: int = 0
    examples: list[str] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    _changing: Lock = field(default_factory=Lock)

    def lose(self, texts: int, reason: str) -> None:
        """Count a request to which nothing came back."""
        with self._changing:
            self.lost += texts
            self._keep(reason)

    def refuse(self, texts: int, code: int) -> None:
        """Count a request that was refused."""
        with self._changing:
            self.refused[code] += texts

    def check(
        self,
        asked: Sequence[int],
        reply: Mapping[str, Any],
        expected: Collection[str],
        removed: Collection[str],
        milliseconds: float,
    ) -> None:
        """Count a response to a request.

        Args:
            asked: which of the texts.
            reply: the response.
            expected: ids of the adapters that may have answered.
            removed: ids of those whose folder was gone before.
            milliseconds: that the client waited.
        """
        answers = reply["answers"]
        with self._changing:
            self.milliseconds.append(milliseconds)
            self.lost += len(asked) - len(answers)
            for text, answer in zip(asked, answers, strict=False):
                self._check(text, answer, expected, removed)

    def _check(self, text: int, answer: Mapping[str, Any], expected: Collection[str], removed: Collection[str]) -> None:
        adapter, own = answer["adapter"], None
        if adapter in expected:
            own = self.own[adapter][text]
        apart = abs(answer["confidence"] - own.confidence) if own else float("inf")
        if own is None or answer["label"] != own.label or not apart < TOLERANCE:
            self.wrong += 1
            self._keep(f"{self.texts[text]!r}: {answer}, and not {own} by one of {sorted(expected)}")
            return
        self.right += 1
        self.equal += apart == 0
        self.furthest = max(self.furthest, apart)
        self.of_removed += adapter in removed

    def _keep(self, example: str) -> None:
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(example)

    def counts(self) -> dict[str, Any]:
        """Return everything that was counted."""
        return {
            "answers": self.right + self.wrong,
            "wrong": self.wrong,
            "lost": self.lost,
            "refused": {str(code): texts for code, texts in sorted(self.refused.items())},
            "bit_equal": self.equal,
            "furthest_confidence": self.furthest,
            "of_removed": self.of_removed,
            "examples": self.examples,
        }
