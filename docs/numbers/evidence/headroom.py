"""The numbers of docs/evidence/headroom.md: the screen before design (d)."""

from __future__ import annotations

from collections.abc import Iterator

from measured import mean, number, read, row

STATED: list[str] = []
TASKS = ("same-group-fourteen", "same-group-six", "same-sentiment-movies")


def pieces() -> Iterator[str]:
    """Yield the tables: what each method scores on each of the pairs, with many and with few to learn from."""
    for name, method in read("headroom")["methods"].items():
        yield row(name, *(mean(method["tasks"][task]) for task in TASKS))
    few = [read(f"headroom-{shots}")["methods"] for shots in (16, 64)]
    scores = [methods[name]["tasks"][task]["mean"] for methods in few for name in few[0] for task in TASKS]
    yield f"between {number(min(scores))} and {number(max(scores))}"
    for name in few[0]:
        yield row(name, *(mean(methods[name]["tasks"][task]) for methods in few for task in TASKS))
