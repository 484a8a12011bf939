"""How often is a declared test wrong on scores as they occur, and not on normal draws alone?

    python -m bench.scores_that_occur --out scores-that-occur.json --page docs/evidence/scores-that-occur.md

Tasks of a seed that move together, rows of unequal spreads, scores near 0, ties, skew, seeds that collapse, and stored
results that are drawn again. Each test is asked as it was before it checked what it assumes, and as it is. ``--page``
writes the tables of the page from the file. It trains nothing and takes a minute or two of one processor.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from adapter_workbench.experiments.reporting.wording import number
from adapter_workbench.workbench.files.atomic import write_whole
from bench import occurring_rates, program
from bench.occurring_rates import Rates
from bench.occurring_scores import SHAPES

Entries = Sequence[Mapping[str, Any]]
Drawing = Callable[[np.random.Generator, int], Iterable[Rates]]
# part of the file → its rates, and by what the number of draws is divided for it
PARTS: dict[str, tuple[Drawing, int]] = {
    "together": (occurring_rates.together, 2),
    "spreads": (occurring_rates.spreads, 2),
    "near_floor": (occurring_rates.near_floor, 1),
    "shapes": (occurring_rates.shapes, 1),
    "collapses": (occurring_rates.collapses, 1),
    "false_collapses": (occurring_rates.false_collapses, 1),
    "ours": (occurring_rates.ours, 4),
    "at_looks": (occurring_rates.at_looks, 1),
}
BEGIN, END = "<!-- {} -->", "<!-- end -->"


def main(
    context: typer.Context,
    out: program.Out,
    page: Annotated[Path | None, typer.Option(help="Page whose tables are written anew.")] = None,
    draws: Annotated[int, typer.Option(help="Tables for each rate; fewer where they are large.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
) -> None:
    """Draw scores as they occur, and write how often each test errs."""
    random = np.random.default_rng(seed)
    results = {name: [*rates(random, draws // times)] for name, (rates, times) in PARTS.items()}
    program.write(context, out, None, **results)
    if page:
        write_whole(page, with_tables(page.read_text(encoding="utf-8"), json.loads(out.read_text(encoding="utf-8"))))


def with_tables(text: str, document: Mapping[str, Entries]) -> str:
    """Return a page whose tables, each between ``<!-- NAME -->`` and ``<!-- end -->``, are those of a document."""
    for name, rows in TABLES.items():
        begin = BEGIN.format(name)
        before, found, rest = text.partition(begin)
        if found:
            head = "\n".join(rest.lstrip("\n").splitlines()[:2])
            after = rest[rest.index(END) :]
            text = "\n".join([f"{before}{begin}", "", head, *rows(document[name]), "", after])
    return text


def by_seeds(entries: Entries, key: str) -> str:
    """Return ``5.0 / 4.9 / 5.1``: a rate in percent with 3, 5 and 8 seeds."""
    return " / ".join(number(entry[key]) for entry in entries)


def grouped(entries: Entries, *keys: str) -> Iterator[tuple[tuple[Any, ...], Entries]]:
    """Yield what entries share under ``keys``, and those that do, in their order."""
    for shared in dict.fromkeys(tuple(entry[key] for key in keys) for entry in entries):
        yield shared, [entry for entry in entries if tuple(entry[key] for key in keys) == shared]


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def together(entries: Entries) -> list[str]:
    """Return a row for each number of rows and tasks and each correlation."""
    keys = ("before", "now", "now_family", "before_found", "now_found")
    cases = grouped(entries, "rows", "tasks", "correlation")
    return [_row(*case, *(by_seeds(of, key) for key in keys)) for case, of in cases]


def near_floor(entries: Entries) -> list[str]:
    """Return a row for each number of answers and each pair of true shares."""
    rows = []
    for (answers, low, spread), of in grouped(entries, "answers", "lower", "spread"):
        words = f"{100 * low:g} and {100 * low + 5:g} %{f', seeds differ by {100 * spread:g} points' if spread else ''}"
        rows.append(_row(answers, words, *(by_seeds(of, key) for key in ("before", "now", "now_found"))))
    return rows


def shapes(entries: Entries) -> list[str]:
    """Return a row for each shape."""
    cases = grouped(entries, "shape")
    return [_row(SHAPES[shape], by_seeds(of, "now"), by_seeds(of, "now_equal")) for (shape,), of in cases]


def collapses(entries: Entries) -> list[str]:
    """Return a row for each collapse and true difference: by seeds, and at looks."""
    rows = []
    for (by, share, difference), of in grouped(entries, "by", "share", "difference"):
        words = f"{by:g} points, 1 seed of {round(1 / share)}; {'−3 points' if difference else 'equal means'}"
        rows.append(_row(words, *(by_seeds(of, key) for key in ("false_of_mean", "false_of_both", "false_as_said"))))
    return rows


def ours(entries: Entries) -> list[str]:
    """Return a row for each stored result and test."""
    rows = []
    for (name, test), of in grouped(entries, "of", "test"):
        before = by_seeds(of, "before") if test != "paired" else ""  # which checks nothing
        errors = [before, *(by_seeds(of, key) for key in ("now", "now_equal", "now_family"))]
        rows.append(_row(f"`{name}`", of[0]["rows"], of[0]["tasks"], test, *errors))
    return rows


def spreads(entries: Entries) -> list[str]:
    """Return a row: comparisons before and now, families, and what is found."""
    keys = ("before", "now", "now_family", "before_found", "now_found")
    return [_row(f"`{name}`", *(by_seeds(of, key) for key in keys)) for (name,), of in grouped(entries, "of")]


def at_looks(entries: Entries) -> list[str]:
    """Return a row for each design."""
    keys = ("now", "now_family", "now_equal")
    return [_row(of["test"], of["rows"], of["correlation"] or "", *(number(of[key]) for key in keys)) for of in entries]


TABLES: Mapping[str, Callable[[Entries], list[str]]] = {
    "together": together,
    "spreads": spreads,
    "near_floor": near_floor,
    "shapes": shapes,
    "collapses": collapses,
    "ours": ours,
    "at_looks": at_looks,
}


if __name__ == "__main__":
    typer.run(main)
