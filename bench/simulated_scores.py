"""Scores with known truth: tables of rows × seeds (and tasks, examples, orders) in points, by the thousand.

Every function draws ``number`` tables at once. Row 0 is the reference; a row's residual has standard deviation 1 point
unless ``spreads`` says otherwise, and a seed moves all rows alike by 2 points, which pairing takes away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from adapter_workbench.workbench.measures.statistics import Array

Scores = Array
SEED_EFFECT = 2.0
TASKS, EXAMPLES = 10, 20
FEW_TASKS, FEW_EXAMPLES = 3, 6  # where each task has outcomes by example
CHUNK = 4_000_000  # numbers that are drawn at once: 32 MB


def chunks(number: int, numbers_a_draw: int) -> list[int]:
    """Return how many tables to draw at a time, where each has so many numbers; their sum is ``number``."""
    size = max(1, CHUNK // numbers_a_draw)
    return [min(size, number - start) for start in range(0, number, size)]


def table(random: np.random.Generator, number: int, spreads: Sequence[float] | Scores, seeds: int) -> Scores:
    """Return scores (number, R, S) of rows with these standard deviations, (R,) or (number, R), all with mean 0."""
    deviations = np.asarray(spreads, dtype=float)
    residuals = random.normal(size=(number, deviations.shape[-1], seeds)) * deviations[..., None]
    return np.asarray(residuals + random.normal(0, SEED_EFFECT, (number, 1, seeds)))


def tasks_apart(
    random: np.random.Generator, number: int, rows: int, seeds: int, spreads: Sequence[float] | Scores
) -> Scores:
    """Return scores (number, R, T, S) of tasks fitted apart: their mean over tasks has standard deviation 1.

    Args:
        random: draws.
        number: of tables.
        rows: R.
        seeds: S.
        spreads: relative standard deviations of the tasks, (T,).
    """
    relative = np.asarray(spreads, dtype=float)
    scale = relative * len(relative) / np.sqrt((relative**2).sum())
    return np.asarray(random.normal(size=(number, rows, len(relative), seeds)) * scale[:, None])


def outcomes(random: np.random.Generator, number: int, rows: int, seeds: int, examples: float = 0.5) -> Scores:
    """Return outcomes (number, R, S, n) whose means vary by 1 point over seeds and by ``examples`` over test splits.

    Of the variance over seeds, half is of the training and half is each seed's luck with the examples it is tested on.
    """
    trained = random.normal(0, np.sqrt(0.5), (number, rows, seeds, 1))
    example = random.normal(0, examples * np.sqrt(EXAMPLES), (number, rows, 1, EXAMPLES))
    luck = random.normal(0, np.sqrt(0.5 * EXAMPLES), (number, rows, seeds, EXAMPLES))
    return trained + example + luck


def outcomes_apart(random: np.random.Generator, number: int, rows: int, seeds: int) -> Scores:
    """Return outcomes (number, R, T, S, n) of tasks fitted apart, whose mean over tasks varies as :func:`outcomes` do.

    They are :data:`FEW_TASKS` of :data:`FEW_EXAMPLES`.
    """
    scale = np.sqrt(FEW_TASKS)
    trained = random.normal(0, scale * np.sqrt(0.5), (number, rows, FEW_TASKS, seeds, 1))
    example = random.normal(0, scale * 0.5 * np.sqrt(FEW_EXAMPLES), (number, rows, FEW_TASKS, 1, FEW_EXAMPLES))
    luck = random.normal(0, scale * np.sqrt(0.5 * FEW_EXAMPLES), (number, rows, FEW_TASKS, seeds, FEW_EXAMPLES))
    return trained + example + luck


def texts_shared(
    random: np.random.Generator, number: int, seeds: int, texts: int
) -> tuple[list[Scores], list[NDArray[np.int64]]]:
    """Return differences (number, S, n) of five tasks without a true difference, and the text of each example.

    Each task tests :data:`EXAMPLES` of so many texts. Half of what an example adds, and of each seed's luck with it, is
    that of its text, in whichever task.
    """
    drawn = [random.permutation(texts)[:EXAMPLES] for _ in range(5)]
    trained = random.normal(0, 0.5, (number, seeds, 1))
    of_text = random.normal(0, 2, (number, 1, texts)) + random.normal(0, 2, (number, seeds, texts))
    tasks: list[Scores] = []
    for own in drawn:
        of_row = random.normal(0, 2, (number, 1, EXAMPLES)) + random.normal(0, 2, (number, seeds, EXAMPLES))
        tasks.append(trained + of_text[..., own] + of_row)
    return tasks, drawn


def crossed(random: np.random.Generator, number: int, seeds: int, orders: int, order_effect: float) -> Scores:
    """Return differences (number, S, O) of every seed with every order; seeds and residuals have deviation 1 point."""
    seed = random.normal(size=(number, seeds, 1))
    order = random.normal(0, order_effect, (number, 1, orders)) if order_effect else 0.0
    return seed + order + random.normal(size=(number, seeds, orders))


def counted(random: np.random.Generator, number: int, seeds: int, uncertain: int, size: int) -> Scores:
    """Return differences (number, S) of two shares of ``size`` examples; both rows guess ``uncertain`` of these."""
    hits = random.binomial(uncertain, 0.5, (2, number, seeds))
    return np.asarray((hits[0] - hits[1]) / size)


SPREADS: Mapping[str, str] = {
    "equal": "all rows 1 point",
    "mild": "log-normal, standard deviation of the logarithm 0.3",
    "strong": "log-normal, standard deviation of the logarithm 0.7",
    "one row 5": "one row 5 points, the others 1",
    "one row 2": "one row 2 points, the others 1",
    "reference 5": "the reference 5 points, the others 1",
    "reference 2": "the reference 2 points, the others 1",
    "half 0.3": "half of the rows 0.3 points, the others 1",
}


def spreads_of(random: np.random.Generator, name: str, number: int, rows: int) -> Scores:
    """Return the standard deviations (number, R) of a scene of :data:`SPREADS`."""
    fixed = np.ones((number, rows))
    kind, _, size = name.partition(" ")
    if name in ("mild", "strong"):
        return np.exp(random.normal(0, 0.3 if name == "mild" else 0.7, (number, rows)))
    if kind == "one":
        fixed[:, 1] = float(size.removeprefix("row "))
    elif kind == "reference":
        fixed[:, 0] = float(size)
    elif kind == "half":
        fixed[:, rows // 2 :] = float(size)
    return fixed
