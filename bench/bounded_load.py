"""Requests to a server at a rate that does not depend on how fast it answers, while adapters are replaced."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import TYPE_CHECKING

import requests

from bench.serve_load import PATIENCE

if TYPE_CHECKING:
    from bench.checked_answers import CheckedAnswers

FOCUS = 0.25  # share of the requests that ask for the task whose adapter is being replaced


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
