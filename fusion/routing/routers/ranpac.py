"""ranpac: ridge regression onto labels, on random rectified projections of the frozen backbone's features.

G = Σ h hᵀ and C = Σ h yᵀ add up over tasks: tasks that are added one after another give what all of them together give.
A task's share of G is kept as a triangular factor, which is smaller than G as long as the task has fewer than M
examples. The projection is not stored but drawn again from its seed. Time is linear in the number of tasks. Of a task
with n examples and c labels, at most min(n, 2M)·M + 2M·c numbers are stored; for all of them together G takes M² and C
M·labels, a few times each.

What differs: the paper adapts the backbone on the first task, and looks for a class; here the backbone stays as it is,
and the adapter of the best class is meant. The authors' program has M = 10,000, chooses λ again with every task by that
task alone (a random fifth of its examples, the squared error, 10⁻⁸ … 10⁸), and uses it with the sums of all tasks. Here
a fifth of every task chooses λ, from sums too, so that the order of tasks does not matter; and λ is a multiple of the
mean of G's diagonal, so that it does not depend on how long features are and how many examples there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from pydantic import Field
from scipy.linalg import cho_factor, cho_solve, qr

from adapter_workbench.fusion.routing.routers import Router, RouterSettings, starts
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.settings.bounds import Seed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from adapter_workbench.fusion.routing.routers import Part, Query
    from adapter_workbench.fusion.target.reader import Reader
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.methods.task import Task

RIDGES = 10.0 ** np.arange(-8, 9)
FOLD = 5  # every fifth example is held out, as the authors hold out 20 %
BLOCK = 2000  # rows that are projected at a time


class Settings(RouterSettings):
    """M is not the authors' 10,000: with 2000, G takes 32 MB instead of 800, and all λ seconds instead of minutes."""

    width: int = Field(2000, ge=1, le=20_000, description="M, random projections: memory grows with its square")
    level: Literal["class", "task"] = Field("class", description="a target for each class of a task, or for the task")
    seed: Seed = Field(0, description="of the projection, the same for all adapters")


@dataclass(frozen=True)
class Sums:
    """Sums over examples h (M,) with targets y (labels,)."""

    gram: NDArray[np.float64]  # G = Σ h hᵀ (M, M)
    targets: NDArray[np.float64]  # C = Σ h yᵀ (M, labels)

    def __add__(self, other: Sums) -> Sums:
        """Return the sums over the examples of both."""
        return Sums(self.gram + other.gram, self.targets + other.targets)


@dataclass(frozen=True)
class Solution:
    """What is asked when texts come."""

    weights: NDArray[np.float64]  # (G + λI)⁻¹ C (M, labels of all adapters)
    labels: tuple[int, ...]  # how many of them each adapter has, in order


def fit(adapter: StoredAdapter, task: Task | None, reader: Reader, settings: Settings) -> Part:
    """Return what a task adds to the sums, apart for the examples that are held out for the choice of λ.

    Returns:
        ``own_factor`` R (≤ M, M), triangular, with RᵀR = Σ h hᵀ; ``own_targets`` (M, labels) = Σ h yᵀ; the same of the
        examples that are held out, ``held_factor`` and ``held_targets``; and their number, ``held_examples``.
    """
    if task is None:
        raise InputError(f"the sums of {adapter.id} need its training examples")
    rows = task.splits["train"]
    vectors, row_labels = reader.features(rows), np.asarray(rows["label"][:])
    labels = np.unique(row_labels, return_inverse=True)[1] if settings.level == "class" else np.zeros(len(rows), int)
    return sum_features(vectors, np.eye(labels.max() + 1)[labels], settings, adapter.manifest.seed_here)


def sum_features(features: NDArray[np.float32], targets: NDArray[np.float64], settings: Settings, seed: int) -> Part:
    """Return what :func:`fit` does, of features (n, hidden) and targets (n, labels); ``seed`` draws who is held out."""
    order = np.random.default_rng(seed).permutation(len(features))
    is_held_out = np.arange(len(features)) % FOLD == FOLD - 1
    sums = {"held_examples": torch.tensor([is_held_out.sum()])}
    for name, indices in (("own", order[~is_held_out]), ("held", order[is_held_out])):
        factor, total = _sums(features[indices], targets[indices], settings)
        sums |= {f"{name}_factor": torch.from_numpy(factor).float(), f"{name}_targets": torch.from_numpy(total)}
    return sums


def add_sums(first: Part, second: Part) -> Part:
    """Return the sums over the examples of both; labels that ``second`` alone has come last there, and last here."""
    sums = {"held_examples": first["held_examples"] + second["held_examples"]}
    for name in ("own", "held"):
        factors = [operand[f"{name}_factor"].double().numpy() for operand in (first, second)]
        factor = qr(np.vstack(factors), mode="r")[0][: factors[0].shape[1]]
        total = second[f"{name}_targets"].clone()
        total[:, : first[f"{name}_targets"].shape[1]] += first[f"{name}_targets"]
        sums |= {f"{name}_factor": torch.from_numpy(factor).float(), f"{name}_targets": total}
    return sums


def _sums(
    features: NDArray[np.float32], targets: NDArray[np.float64], settings: Settings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return R (≤ M, M) with RᵀR = Σ h hᵀ, and Σ h yᵀ (M, labels), over features (n, hidden) and y (n, labels)."""
    factor, total, start = np.zeros((0, settings.width)), np.zeros((settings.width, targets.shape[1])), 0
    for block in projected(features, settings):
        factor = qr(np.vstack([factor, block]), mode="r")[0][: settings.width]
        total += block.T @ targets[start : start + len(block)]
        start += len(block)
    return factor, total


def projected(features: NDArray[np.float32], settings: Settings) -> Iterator[NDArray[np.float64]]:
    """Yield h = max(f W, 0) (≤ 2000, M) of features f (texts, hidden), block by block; W ~ N(0, 1) from the seed."""
    drawn = _drawn(features.shape[1], settings.width, settings.seed)
    for start in range(0, len(features), BLOCK):
        yield np.maximum(features[start : start + BLOCK] @ drawn, 0).astype(np.float64)


def projection(hidden: int, settings: Settings) -> NDArray[np.float32]:
    """Return W (hidden, M) as the seed draws it."""
    return _drawn(hidden, settings.width, settings.seed).copy()


@lru_cache(maxsize=1)  # drawing takes as long as a server needs for a text
def _drawn(hidden: int, width: int, seed: int) -> NDArray[np.float32]:
    generator = np.random.RandomState(seed)  # the one whose numbers no version of numpy changes
    return generator.standard_normal((hidden, width)).astype(np.float32)


def prepare(parts: Sequence[Part], settings: Settings) -> Solution:
    """Return the ridge solution of all tasks, for the λ with the smallest squared error on the examples held out.

    Raises:
        InputError: there is nothing to choose λ by.
    """
    fitted, held_out = sums(parts, "own"), sums(parts, "held")
    examples = sum(int(part["held_examples"]) for part in parts)
    if not examples or not fitted.gram.any():
        hint = f"ranpac holds out every {FOLD}th example of a task to choose λ; `prototype` needs only one example."
        raise InputError("the tasks of these adapters have too few examples for this router", hint=hint)
    best = min(RIDGES, key=lambda ridge: squared_error(solve(fitted, ridge), held_out, examples))
    return Solution(solve(fitted + held_out, best), tuple(part["own_targets"].shape[1] for part in parts))


def sums(parts: Sequence[Part], name: str) -> Sums:
    """Return the sums of all tasks over the examples called ``name``; every label is its own adapter's alone."""
    gram = np.zeros((len(parts[0]["own_targets"]),) * 2)
    for part in parts:
        factor = part[f"{name}_factor"].numpy().astype(np.float64)
        gram += factor.T @ factor
    targets = np.hstack([part[f"{name}_targets"].numpy() for part in parts])
    return Sums(gram, targets)


def solve(known: Sums, ridge: float) -> NDArray[np.float64]:
    """Return (G + λI)⁻¹ C (M, labels) for λ = ``ridge`` · tr(G) / M."""
    regularised = known.gram.copy()
    regularised[np.diag_indices_from(regularised)] += ridge * np.trace(known.gram) / len(known.gram)
    solution: NDArray[np.float64] = cho_solve(cho_factor(regularised, overwrite_a=True), known.targets)
    return solution


def squared_error(weights: NDArray[np.float64], known: Sums, examples: int) -> float:
    """Return the mean over examples of ‖Wᵀh − y‖² for weights W (M, labels), from their sums; each y has a single 1."""
    return float(((known.gram @ weights - 2 * known.targets) * weights).sum() / examples + 1)


def score(known: Solution, query: Query, settings: Settings) -> NDArray[np.floating[Any]]:
    """Return the largest entry of Wᵀh(x) among the labels of each adapter: (texts, adapters)."""
    vectors = query.reader.features(query.rows)  # (texts, hidden)
    scores = np.vstack([block @ known.weights for block in projected(vectors, settings)])  # (texts, labels)
    return np.maximum.reduceat(scores, starts(known.labels), axis=1)


ROUTER = Router(
    title="RanPAC",
    paper="McDonnell et al. 2023, RanPAC, arXiv:2307.02251, algorithm 1",
    settings=Settings,
    fit=fit,
    score=score,
    meaning="output of a ridge regression onto classes, about 0 to 1",
    prepare=prepare,
)
