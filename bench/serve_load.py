"""How many requests does `workbench serve` answer, and how long does each take?

    workbench serve bbc-news 20news-8
    python -m bench.serve_load http://127.0.0.1:8080 --tasks bbc-news,20news-8 --out FILE.json

Clients send one request after another for some seconds, each for a task that is drawn, so that requests for several
adapters come together. The results are the answers a second, the median, the 95th and the 99th percentile of their
milliseconds, the codes of those that were refused, and how many texts a batch had. Clients and server share the
machine: it says what this machine does with both.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Annotated, Any

import requests
import typer

from bench import program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

TEXT = "The committee will meet again next week to decide whether the old bridge over the river can be repaired."
PATIENCE = 60  # seconds that a client waits for an answer
PARTS = {"median": 0.5, "p95": 0.95, "p99": 0.99}  # of all waits
BATCHES = re.compile(r"^workbench_batch_texts_(sum|count) (\S+)$", re.MULTILINE)


def main(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="Where the server is.")],
    out: program.Out,
    tasks: program.Tasks,
    clients: Annotated[int, typer.Option(min=1, help="Clients that ask at the same time.")] = 4,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long they ask.")] = 5.0,
    texts: Annotated[int, typer.Option(min=1, help="Texts of a request.")] = 1,
    key: Annotated[str | None, typer.Option(envvar="WORKBENCH_API_KEY", help="The server's key.")] = None,
) -> None:
    """Measure, and print the numbers."""
    results = load(url, tasks.split(","), clients, seconds, key, texts)
    program.write(context, out, load=results)
    program.show(results)


def load(
    url: str,
    tasks: list[str],
    clients: int,
    seconds: float,
    key: str | None = None,
    texts: int = 1,
    shares: Sequence[float] | None = None,
) -> dict[str, Any]:
    """Return what came of so many clients that ask ``workbench serve`` for so many seconds.

    Tasks are drawn with probabilities proportional to ``shares``; without them all are equally likely.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    draws = [Random(client) for client in range(clients)]

    def request(client: int, number: int) -> dict[str, Any]:
        return {"texts": some_texts(number, texts), "task": draws[client].choices(tasks, shares)[0]}

    before = _batches(url, headers)
    results = asked(f"{url}/predict", headers, request, clients, seconds, texts)
    answered, batches = (new - old for new, old in zip(_batches(url, headers), before, strict=True))
    return {**results, "texts_per_batch": round(answered / batches, 2) if batches else None}


def some_texts(number: int, count: int) -> list[str]:
    """Return the texts of a client's request."""
    return [f"{TEXT} {number} {index}" for index in range(count)]


def asked(
    url: str,
    headers: dict[str, str],
    request: Callable[[int, int], dict[str, Any]],
    clients: int,
    seconds: float,
    texts: int,
) -> dict[str, Any]:
    """Return what came of so many clients that post JSON for so many seconds; the first of each does not count.

    Args:
        url: where to.
        headers: of each request.
        request: (client, number) → what is posted.
        clients: how many post at the same time.
        seconds: how long.
        texts: of each request.
    """

    def ask(client: int) -> list[tuple[int, float]]:
        answers: list[tuple[int, float]] = []
        with requests.Session() as session:
            session.headers.update(headers)
            end = time.perf_counter() + seconds
            for number in count(client):
                began = time.perf_counter()
                if began > end and answers:
                    return answers[1:] or answers
                code = session.post(url, json=request(client, number), timeout=PATIENCE).status_code
                answers.append((code, time.perf_counter() - began))
        return answers

    with ThreadPoolExecutor(clients) as pool:
        all_answers = [answer for answers in pool.map(ask, range(clients)) for answer in answers]
    taken = [1000 * wait for code, wait in all_answers if code == requests.codes.ok]
    return {
        "clients": clients,
        "requests": len(all_answers),
        "codes": {str(code): number for code, number in sorted(Counter(code for code, _ in all_answers).items())},
        "answers_per_second": round(len(taken) / seconds, 1),
        "texts_per_second": round(len(taken) * texts / seconds, 1),
        **{f"{name}_ms": wait for name, wait in percentiles(taken).items()},
    }


def percentiles(waits: Iterable[float], parts: Mapping[str, float] = PARTS) -> dict[str, float | None]:
    """Return some of the waits by name; ``parts`` says what part of all is shorter. None where nobody waited."""
    taken = sorted(waits)
    return {name: round(taken[int(part * len(taken))], 1) if taken else None for name, part in parts.items()}


def _batches(url: str, headers: dict[str, str]) -> tuple[float, float]:
    """Return how many texts were answered until now, and in how many batches."""
    page = requests.get(f"{url}/metrics", headers=headers, timeout=PATIENCE).text
    totals = {name: float(value) for name, value in BATCHES.findall(page)}
    return totals["sum"], totals["count"]


if __name__ == "__main__":
    typer.run(main)
