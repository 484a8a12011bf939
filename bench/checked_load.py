"""Requests at a rate that does not depend on how fast a server answers; answers are held against the adapters' own."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from random import Random
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import requests

from adapter_workbench.workbench.answering.predictor import OpenedAdapter
from bench.serve_load import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from adapter_workbench.workbench.adapters.store import AdapterStore
    from adapter_workbench.workbench.backbone.pretrained import Backbone

TOLERANCE = 1e-5  # of a confidence in fp32: rows of one batch are added up in another order than alone
MOST_EXAMPLES = 10  # of wrong answers that are kept
FOCUS = 0.25  # share of the requests that ask for the task whose adapter is being replaced


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


@dataclass
class Served:
    """Which adapters may answer for each task; one thread changes it, others read it.

    Attributes:
        by_task: task → ids of the adapters that may answer.
        changing: the task whose adapter is being replaced.
        removed: ids of the adapters whose folder is gone.
    """

    by_task: dict[str, frozenset[str]]
    changing: str | None = None
    removed: set[str] = field(default_factory=set)


@dataclass
class BoundedLoad:
    """Clients that ask together for so many texts a second.

    Attributes:
        url: of the server.
        served: what may answer.
        checked: takes the responses.
        rate: texts a second.
        texts: of a request.
        clients: how many requests may be under way at the same time.
        behind: the most seconds that a request was sent after it was due, since no client was free.
    """

    url: str
    served: Served
    checked: CheckedAnswers
    rate: float
    texts: int
    clients: int
    behind: float = 0.0

    def ask(self, seconds: float) -> None:
        """Ask for so many seconds; returns when the last response is there.

        A request is due at a fixed time, and sent then or as soon as a client is free. Its milliseconds count from its
        sending. Those that are not sent when the time is over are left out.
        """
        numbers, began = count(), time.perf_counter()

        def client(_: int) -> None:
            with requests.Session() as session:
                for number in numbers:
                    due = number * self.texts / self.rate
                    early = began + due - time.perf_counter()
                    if max(due, due - early) > seconds:
                        return
                    self.behind = max(self.behind, -early)
                    time.sleep(max(0.0, early))
                    self._ask(session, number)

        with ThreadPoolExecutor(self.clients) as pool:
            list(pool.map(client, range(self.clients)))

    def _ask(self, session: requests.Session, number: int) -> None:
        """Send a request for a task that is drawn, and let the response be checked."""
        draw, served = Random(number), self.served
        changing = served.changing
        task = changing if changing and draw.random() < FOCUS else draw.choice([*served.by_task])
        asked = draw.choices(range(len(self.checked.texts)), k=self.texts)
        before, removed = served.by_task[task], frozenset(served.removed)
        body = {"texts": [self.checked.texts[text] for text in asked], "task": task}
        began = time.perf_counter()
        try:
            response = session.post(f"{self.url}/predict", json=body, timeout=PATIENCE)
            reply = response.json() if response.ok else {}
        except requests.RequestException as error:
            self.checked.lose(self.texts, f"request {number} for {task}: {error}")
            return
        if not response.ok:
            self.checked.refuse(self.texts, response.status_code)
            return
        milliseconds = 1000 * (time.perf_counter() - began)
        self.checked.check(asked, reply, before | served.by_task[task], removed, milliseconds)
