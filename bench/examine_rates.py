"""How often verdicts are wrong, and find what is there: examinations drawn from the kept answers of models.

The test, the adjustment and the reading are those of the report (`workbench/measures`). Beside them stand rules of
small packages that compare a model before and after training on a few prompts of each category, as read in pyrecall
0.12.1 (`detector.py`: a category whose score fell by more than 0.10, of at most 20 prompts) and Soup 0.77.0
(`ship_verdict.py`: a part that fell by more than 0.05, of 38 prompts in the mean). Both bounds are absolute.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from adapter_workbench.workbench.measures.paired_scores import Reading, chance_of_none, reading
from adapter_workbench.workbench.measures.statistics import holm, mean_of
from bench.examined_models import BASE, Right

Answers = Mapping[str, Right]  # TASK/SIZE → which rows are answered right (n,)
ROWS = (100, 200, 400, 800, 1600)
FEW_EXCHANGES = 20  # examinations of one pair: there are some two hundred pairs
BINS = {2: (0.015, 0.025), 5: (0.04, 0.06), 10: (0.08, 0.12)}  # points → true losses that stand for it, in shares
BOUND = 0.02  # of `--max-forgetting`
FOUND = 0.8
ROUNDING = 1e-9


@dataclass(frozen=True)
class Rule:
    """An alarm where any category falls by more than a bound."""

    rows: int  # of each category
    bound: float  # the most that a score in [0, 1] may fall
    relative: bool = False  # whether the bound is a share of the score before

    def alarms(self, scores: Iterable[tuple[float, float]]) -> bool:
        """Return whether any category fell too far; its score before and after."""
        return any(
            before - after > self.bound * (before if self.relative else 1.0) + ROUNDING for before, after in scores
        )


RULES = {
    "20 rows, 0.10": Rule(20, 0.10),
    "20 rows, 10 %": Rule(20, 0.10, relative=True),
    "38 rows, 0.05": Rule(38, 0.05),
}


@dataclass(frozen=True)
class Population:
    """All test rows of a task, answered by a model and by a damaged copy of it.

    Attributes:
        model: name of the damaged one.
        task: its name.
        heads: training rows of the heads.
        cells: shares of the rows that are right → wrong, wrong → right, right twice, wrong twice.
        rows: how many rows were asked.
    """

    model: str
    task: str
    heads: int
    cells: tuple[float, float, float, float]
    rows: int

    @property
    def loss(self) -> float:
        """The true loss, as a share."""
        return self.cells[0] - self.cells[1]


@cache
def chance(lost: int, gained: int, rows: int) -> float | None:
    """Return the p of an examination in which so many of ``rows`` answers became wrong and right."""
    before, after = np.zeros(rows), np.zeros(rows)
    before[:lost], after[lost : lost + gained] = 1, 1
    return chance_of_none(before, after)


def readings(counts: Iterable[tuple[int, int]], rows: int) -> list[Reading]:
    """Return what the report says of each task; counts (lost, gained) of all tasks of one examination."""
    pairs = [(int(lost), int(gained)) for lost, gained in counts]
    adjusted = holm([chance(lost, gained, rows) for lost, gained in pairs])
    return [reading((lost - gained) / rows, p) for (lost, gained), p in zip(pairs, adjusted, strict=True)]


def scores(answers: Answers) -> dict[str, float]:
    """Return the score of each task and size of head."""
    return {key: float(right.mean()) for key, right in answers.items()}


def false_alarms(
    random: np.random.Generator, trained: Sequence[Answers], sizes: Sequence[int], draws: int
) -> list[dict[str, Any]]:
    """Return how often pairs of trainings that differ in the seed alone are told apart, by rows and kind of pair.

    ``seeds``: as they are. ``exchanged``: the two answers to each row are exchanged or not, by chance, so that neither
    model is better; where there are fewer rows than an examination takes, rows are drawn with replacement. Of each pair
    either model may be the base, so that each rate of "lost" is over both.
    """
    entries: list[dict[str, Any]] = []
    times = max(1, min(draws, FEW_EXCHANGES))
    for rows in (*sizes, *(rows for rows in ROWS if rows > max(sizes))):
        heads = max(size for size in sizes if size <= rows)
        pairs = [_of_size(pair, heads) for pair in itertools.combinations(trained, 2)]
        if pairs and rows in sizes:
            entries.append(_rates("seeds", rows, [_examined_pair(random, pair, rows) for pair in pairs], len(pairs)))
        swapped = [_examined_pair(random, _exchanged(random, pair, rows), rows) for pair in pairs for _ in range(times)]
        if pairs:
            entries.append(_rates("exchanged", rows, swapped, len(pairs)))
    return entries


def _of_size(pair: Sequence[Answers], size: int) -> list[tuple[Right, Right]]:
    """Return both models' answers to each task, under heads of a size."""
    first, second = pair
    return [(first[key], second[key]) for key in first if key.endswith(f"/{size}")]


def _exchanged(
    random: np.random.Generator, pair: Sequence[tuple[Right, Right]], rows: int
) -> list[tuple[Right, Right]]:
    """Return the answers to at least ``rows`` rows, of each row exchanged or not."""
    exchanged = []
    for first, second in pair:
        number = len(first)
        picked = np.arange(number) if rows <= number else random.integers(number, size=rows)
        swap = random.random(len(picked)) < 0.5
        sides = first[picked], second[picked]
        exchanged.append((np.where(swap, sides[1], sides[0]), np.where(swap, sides[0], sides[1])))
    return exchanged


def _examined_pair(random: np.random.Generator, pair: Sequence[tuple[Right, Right]], rows: int) -> dict[str, float]:
    """Return what one examination of ``rows`` rows says of a pair: shares of its two directions."""
    drawn = [_picked(random, answers, rows) for answers in pair]
    number = min(len(first) for first, _ in drawn)
    words = readings([((a & ~b).sum(), (b & ~a).sum()) for a, b in drawn], number)
    forgetting = mean_of(np.array([a.mean() - b.mean() for a, b in drawn])) or 0.0
    shares = {
        "lost": (("lost" in words) + ("gained" in words)) / 2,
        "any": float("lost" in words or "gained" in words),
        "beyond_bound": (abs(forgetting) > BOUND) / 2,
    }
    for name, rule in RULES.items():
        few = [_picked(random, answers, rule.rows) for answers in pair]
        forward, backward = ([(x.mean(), y.mean()) for x, y in side] for side in (few, [(b, a) for a, b in few]))
        shares[name] = (rule.alarms(forward) + rule.alarms(backward)) / 2
    return shares


def _picked(random: np.random.Generator, answers: tuple[Right, Right], rows: int) -> tuple[Right, Right]:
    first, second = answers
    if len(first) <= rows:
        return first, second
    picked = random.choice(len(first), rows, replace=False)
    return first[picked], second[picked]


def _rates(kind: str, rows: int, examinations: Sequence[Mapping[str, float]], pairs: int) -> dict[str, Any]:
    rates = {name: float(np.mean([of_one[name] for of_one in examinations])) for name in examinations[0]}
    return {"kind": kind, "rows": rows, "pairs": pairs, "examinations": len(examinations), **rates}


def seeds_apart(trained: Sequence[Answers], size: int) -> dict[str, dict[str, float]]:
    """Return by task how far two trainings differ in truth: the standard deviation of their true difference.

    It is what is left of the mean squared difference when the part of the sample of rows is taken off, (q − d²) ÷ n
    with q the share of rows that are answered differently and d the difference.
    """
    apart: dict[str, dict[str, float]] = {}
    for key in (key for key in trained[0] if key.endswith(f"/{size}")) if trained else ():
        pairs = [(first[key], second[key]) for first, second in itertools.combinations(trained, 2)]
        differences = np.array([first.mean() - second.mean() for first, second in pairs])
        disagreed = np.array([(first != second).mean() for first, second in pairs])
        by_rows = (disagreed - differences**2) / len(trained[0][key])
        true = max(0.0, float((differences**2 - by_rows).mean()))
        apart[key.split("/")[0]] = {"deviation": true**0.5, "disagreed": float(disagreed.mean())}
    return apart


def populations(models: Mapping[str, Answers], sizes: Sequence[int]) -> list[Population]:
    """Return every task of every damaged model against the base model, under heads of every size."""
    base = models[BASE]
    return [
        _population(name, key, base[key], damaged[key])
        for name, damaged in models.items()
        if name != BASE
        for key in damaged
        if int(key.split("/")[1]) in sizes
    ]


def _population(model: str, key: str, before: Right, after: Right) -> Population:
    task, size = key.split("/")
    cells = (before & ~after, ~before & after, before & after, ~before & ~after)
    shares = [float(cell.mean()) for cell in cells]
    return Population(model, task, int(size), (shares[0], shares[1], shares[2], shares[3]), len(before))


def detection(random: np.random.Generator, of: Sequence[Population], draws: int) -> dict[str, list[dict[str, Any]]]:
    """Return how often the loss of each population is called lost, and the same by size of loss and rows."""
    entries = [entry for rows in ROWS for entry in _detected(random, of, rows, draws)]
    return {"populations": entries, "detection": [*_by_loss(entries)]}


def _detected(random: np.random.Generator, of: Sequence[Population], rows: int, draws: int) -> Iterator[dict[str, Any]]:
    size = max((population.heads for population in of if population.heads <= rows), default=0)
    chosen = [population for population in of if population.heads == size]
    for _, group in itertools.groupby(chosen, key=lambda population: population.model):
        tasks = [*group]
        counts = np.stack([random.multinomial(rows, _normal(own.cells), draws) for own in tasks], axis=1)  # (N, T, 4)
        together = [readings(examination[:, :2], rows) for examination in counts]
        for at, own in enumerate(tasks):
            # beside tasks whose answers did not change at all
            alone = [
                readings([(lost, gained)] + [(0, 0)] * (len(tasks) - 1), rows)[0] for lost, gained, *_ in counts[:, at]
            ]
            yield {
                "model": own.model,
                "task": own.task,
                "rows": rows,
                "heads": size,
                "asked": own.rows,
                "before": own.cells[0] + own.cells[2],
                "loss": own.loss,
                "disagreed": own.cells[0] + own.cells[1],
                "alone": _share(alone),
                "together": _share([words[at] for words in together]),
                **_by_rules(random, own, draws),
            }


def _by_rules(random: np.random.Generator, own: Population, draws: int) -> dict[str, float]:
    shares = {}
    for name, rule in RULES.items():
        counts = random.multinomial(rule.rows, _normal(own.cells), draws) / rule.rows  # (N, 4)
        shares[name] = float(np.mean([rule.alarms([(a + c, b + c)]) for a, b, c, _ in counts]))
    return shares


def _normal(cells: Sequence[float]) -> np.ndarray[Any, Any]:
    shares = np.asarray(cells, dtype=float)
    return np.asarray(shares / shares.sum())


def _share(words: Sequence[Reading]) -> float:
    return sum(word == "lost" for word in words) / len(words)


def _by_loss(entries: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for points, (low, high) in BINS.items():
        for rows in ROWS:
            own = [entry for entry in entries if entry["rows"] == rows and low <= entry["loss"] < high]
            if not own:
                continue
            means = {name: float(np.mean([entry[name] for entry in own])) for name in ("alone", "together", *RULES)}
            alone = [entry["alone"] for entry in own]
            yield {
                "points": points,
                "rows": rows,
                "populations": len(own),
                "loss": float(np.mean([entry["loss"] for entry in own])),
                "disagreed": float(np.mean([entry["disagreed"] for entry in own])),
                **means,
                "least": min(alone),
                "most": max(alone),
            }


def rows_that_find(detected: Sequence[Mapping[str, Any]], points: int = 5) -> int | None:
    """Return the least number of rows that finds a loss of ``points`` in four of five examinations; None: none does."""
    enough = (entry["rows"] for entry in detected if entry["points"] == points and entry["alone"] >= FOUND)
    return min(enough, default=None)
