"""How many requests does `workbench serve` answer, and how long does each take?

    workbench serve bbc-news 20news-8
    python -m experiments.benchmarks.serve_load http://127.0.0.1:8080 --tasks bbc-news,20news-8 --out FILE.json

Clients ask one text after another for some seconds, each for the tasks in turns, so that requests for several adapters
come together. Told are the requests a second, the median and the 95th percentile of their milliseconds, the codes of
those that were refused, and how many texts a batch had. Clients and server share the machine: it says what this machine
does with both.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Annotated, Any

import requests
import typer

from experiments.benchmarks import program

TEXT = "The committee will meet again next week to decide whether the old bridge over the river can be repaired."
PATIENCE = 60  # seconds that a client waits for an answer
BATCHES = re.compile(r"^workbench_batch_texts_(sum|count) (\S+)$", re.MULTILINE)


def main(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="Where the server is.")],
    out: program.Out,
    tasks: program.Tasks,
    clients: Annotated[int, typer.Option(min=1, help="Clients that ask at the same time.")] = 4,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long they ask.")] = 5.0,
    key: Annotated[str | None, typer.Option(envvar="WORKBENCH_API_KEY", help="The server's key.")] = None,
) -> None:
    """Measure, and print the numbers."""
    results = load(url, tasks.split(","), clients, seconds, key)
    program.write(context, out, load=results)
    program.show(results)


def load(url: str, tasks: list[str], clients: int, seconds: float, key: str | None = None) -> dict[str, Any]:
    """Return what came of so many clients that ask for so many seconds; the first request of each does not count."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}

    def ask(client: int) -> list[tuple[int, float]]:
        found: list[tuple[int, float]] = []
        with requests.Session() as session:
            session.headers.update(headers)
            end = time.perf_counter() + seconds
            for number in count(client):
                began = time.perf_counter()
                if began > end and found:
                    return found[1:] or found
                asked = {"texts": [f"{TEXT} {number}"], "task": tasks[number % len(tasks)]}
                code = session.post(f"{url}/predict", json=asked, timeout=PATIENCE).status_code
                found.append((code, time.perf_counter() - began))
        return found

    before = _batches(url, headers)
    with ThreadPoolExecutor(clients) as pool:
        found = [each for one in pool.map(ask, range(clients)) for each in one]
    texts, batches = (new - old for new, old in zip(_batches(url, headers), before, strict=True))
    taken = sorted(1000 * each for code, each in found if code == requests.codes.ok)
    return {
        "clients": clients,
        "requests": len(found),
        "codes": {str(code): number for code, number in sorted(Counter(code for code, _ in found).items())},
        "answers_per_second": round(len(taken) / seconds, 1),
        "median_ms": round(taken[len(taken) // 2], 1) if taken else None,
        "p95_ms": round(taken[int(0.95 * len(taken))], 1) if taken else None,
        "texts_per_batch": round(texts / batches, 2) if batches else None,
    }


def _batches(url: str, headers: dict[str, str]) -> tuple[float, float]:
    """Return how many texts were answered until now, and in how many batches."""
    page = requests.get(f"{url}/metrics", headers=headers, timeout=PATIENCE).text
    found = {name: float(value) for name, value in BATCHES.findall(page)}
    return found["sum"], found["count"]


if __name__ == "__main__":
    typer.run(main)
