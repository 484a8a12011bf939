"""Scores as they occur, with known truth: seeds that collapse, tasks that move together, bounds, ties, skew, and ours.

Every function draws ``number`` tables at once, in points unless it says shares; row 0 is the reference. Ours are stored
results, drawn again: each seed of a table is a stored seed, to which as much noise with the same covariances is added,
so that rows and tasks of a seed move together as they did, and no two seeds are the same. (With half as much, five
normal numbers that are drawn again give the t-test an error of 7 % with three seeds; with as much, 5.3 %.) Each row has
its mean taken off: the truth is that none differs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.simulated_scores import SEED_EFFECT, Scores

RESULTS = Path(__file__).parents[1] / "docs" / "results"
NOISE = 1.0  # standard deviation of what is added to a stored seed, in those of the seeds
LEAST_SEEDS = 5  # of a stored experiment that is drawn again


def moving_together(
    random: np.random.Generator, number: int, rows: int, tasks: int, seeds: int, correlation: float
) -> Scores:
    """Return scores (number, R, T, S) whose residuals of a seed are correlated over tasks; the mean has deviation 1."""
    own = random.normal(size=(number, rows, tasks, seeds)) * np.sqrt(1 - correlation)
    shared = random.normal(size=(number, rows, 1, seeds)) * np.sqrt(correlation)
    return np.asarray((own + shared) * np.sqrt(tasks))


def collapsing(
    random: np.random.Generator, number: int, seeds: int, by: float, share: float, rows: int = 2, spread: float = 1.0
) -> Scores:
    """Return scores (number, R, S) of which row 1 loses ``by`` points with this share of seeds; equal true means."""
    table = random.normal(0, spread, (number, rows, seeds)) + random.normal(0, SEED_EFFECT, (number, 1, seeds))
    table[:, 1] += by * share - by * (random.random((number, seeds)) < share)
    return np.asarray(table)


def of_answers(
    random: np.random.Generator, number: int, seeds: int, size: int, true: float, spread: float = 0.0
) -> Scores:
    """Return shares (number, S) of ``size`` right answers; seeds differ in the true share by ``spread`` (beta)."""
    if true <= 0:
        return np.zeros((number, seeds))
    of_seed = np.full((number, seeds), true)
    if spread:
        both = true * (1 - true) / spread**2 - 1
        of_seed = random.beta(true * both, (1 - true) * both, (number, seeds))
    return np.asarray(random.binomial(size, of_seed) / size)


def shaped(random: np.random.Generator, number: int, seeds: int, shape: str) -> Scores:
    """Return differences (number, S) with mean 0 and standard deviation 1 point of a shape.

    ``skewed``: exponential, one row has a tail to below; ``heavy``: Student's t with 3 degrees of freedom; ``ties``:
    rounded to 1 point, as of 100 test examples; ``two``: ±1 with equal chance.
    """
    size = (number, seeds)
    if shape == "skewed":
        return np.asarray(1 - random.exponential(size=size))
    if shape == "heavy":
        return np.asarray(random.standard_t(3, size) / np.sqrt(3))
    if shape == "ties":
        return np.asarray(np.round(random.normal(size=size)))
    return np.asarray(random.choice([-1.0, 1.0], size))


SHAPES = {
    "skewed": "skewed (exponential)",
    "heavy": "heavy tails (t, 3 degrees)",
    "ties": "ties (rounded to 1 point)",
    "two": "two values",
}


@dataclass(frozen=True)
class Stored:
    """The scores of a stored experiment."""

    name: str  # of its file
    table: Scores  # (R, T, S) in points; T = 1 where only the mean over tasks is stored
    apart: bool  # whether its tasks are fitted apart

    def drawn(self, random: np.random.Generator, number: int, seeds: int) -> Scores:
        """Return tables (number, R, T, S) like the stored one, in which no row differs."""
        residuals = self.table - self.table.mean(-1, keepdims=True)  # (R, T, n)
        size = residuals.shape[-1]
        chosen = np.eye(size)[random.integers(size, size=(number, seeds))]  # (number, S, n)
        weights = chosen + NOISE * random.normal(size=chosen.shape) / np.sqrt(size)
        scale = np.sqrt(size / (size - 1) / (1 + NOISE**2))
        return np.asarray(np.einsum("rtn,dsn->drts", residuals, weights) * scale)

    def spreads(self) -> Scores:
        """Return the standard deviation of each row's mean over tasks without what a seed does to all rows, (R,)."""
        means = self.table.mean(1)
        return np.asarray((means - np.median(means, axis=0)).std(-1, ddof=1))


def stored(folder: Path = RESULTS) -> Iterator[Stored]:
    """Yield each stored comparison with enough seeds, the reference first."""
    for path in sorted(folder.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        seeds = document.get("seeds")
        if "reference" not in document or not isinstance(seeds, list) or len(seeds) < LEAST_SEEDS:
            continue
        known = {label: _of_entry(entry) for label, entry in _entries(document).items()}
        complete = {label: of for label, of in known.items() if of is not None and of.shape[-1] == len(seeds)}
        if document["reference"] not in complete or len(complete) < 2:
            continue
        first = complete[document["reference"]]
        rows = [first, *(of for label, of in complete.items() if label != document["reference"])]
        same = [of for of in rows if of.shape == first.shape]
        yield Stored(path.stem, 100 * np.stack(same), "updates" in document or "methods" in document)


def _entries(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((document[key] for key in ("strategies", "updates", "methods", "contestants") if key in document), {})


def _of_entry(entry: Mapping[str, Any]) -> Scores | None:
    """Return the scores (T, S) of an entry; None where they are not stored, or one is missing."""
    parts: list[Any] = []
    if entry.get("tasks"):
        parts = [of.get("values") for of in entry["tasks"].values()]
    elif "metrics" in entry and "average_accuracy" in entry["metrics"]:
        parts = [entry["metrics"]["average_accuracy"].get("values")]
    elif entry.get("standings"):
        parts = [[*entry["standings"].values()][-1].get("values")]
    if not parts or any(values is None or None in values for values in parts):
        return None
    return np.array(parts, dtype=float)
