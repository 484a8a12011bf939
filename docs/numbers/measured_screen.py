"""The numbers of docs/composing.md that are of the screen before design (d)."""

from __future__ import annotations

from collections.abc import Iterator

from measured import mean, read, row

STATED = ["frozen features within 5 points of chance", "at least 10 points above"]
TASKS = ("same-group-fourteen", "same-group-six", "same-sentiment-movies")


def pieces() -> Iterator[str]:
    """Yield the table: what each method scores on each of the pairs."""
    for name, method in read("headroom")["methods"].items():
        yield row(name, *(mean(method["tasks"][task]) for task in TASKS))
