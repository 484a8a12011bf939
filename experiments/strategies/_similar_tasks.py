"""Which earlier task each matrix is most like: tasks are arms of a bandit, and halves of a tree guide its choice."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

CEILING = 1.5  # of what a half's scores are multiplied by
TINY = 1e-5


@dataclass(frozen=True)
class Half:
    """A child of the tree's root.

    Attributes:
        tasks: their indices.
        factor: what their scores are multiplied by where the bandit looks into this half.
    """

    tasks: list[int]
    factor: float


def halves(earlier: Sequence[Tensor]) -> list[Half]:
    """Return the children of the root of a tree of tasks; none where there is only one task.

    The root cuts tasks by what they changed of the first matrix, its children by the second: at the median of ⟨Δ, Δ̄⟩,
    Δ what a task changed, Δ̄ the mean of that. A child's factor is its own median; that of a leaf is 1.

    Args:
        earlier: of each matrix the tasks' versions of it (tasks, numbers).
    """
    tasks = list(range(len(earlier[0])))
    if len(tasks) < 2:
        return []
    root, *below = [torch.cat([versions[:1], versions.diff(dim=0)]) for versions in earlier[:2]]
    _, near, far = _cut(root, tasks)
    return [Half(side, min(_cut(below[0], side)[0], CEILING) if below and side[1:] else 1.0) for side in (near, far)]


def _cut(changes: Tensor, tasks: list[int]) -> tuple[float, list[int], list[int]]:
    """Return the median, the tasks from it on and those below it; where none is below, the two halves of the list."""
    rows = changes[tasks]  # (tasks, numbers)
    similar = rows @ rows.mean(dim=0)
    median = float(similar.median())
    far = [task for task, similarity in zip(tasks, similar.tolist(), strict=True) if similarity < median]
    if not far:
        return median, tasks[: len(tasks) // 2], tasks[len(tasks) // 2 :]
    return median, [task for task in tasks if task not in far], far


def scores(distances: Tensor, counts: Tensor, done: int, rounds: int) -> Tensor:
    """Return √(ln(2 N (n + 1) (n + 2)) ÷ 2c) − m, the lower confidence bound of a mean distance m with its sign turned.

    Args:
        distances: their sums (tasks, matrices); m is such a sum ÷ c.
        counts: c, how often each was chosen (tasks, matrices).
        done: n, how many rounds there were.
        rounds: N, how many there will be.
    """
    width = (2 * counts + TINY).rsqrt() * math.sqrt(math.log(2 * rounds * (done + 1) * (done + 2)))
    return width - distances / counts.clamp(min=1)


class Bandit:
    """Chooses an earlier task for each matrix, batch after batch; it forgets its distances when an epoch begins.

    Attributes:
        earlier: of each matrix the tasks' versions of it (tasks, numbers).
        rounds: how many batches an epoch has.
        done: how many batches of this epoch are over.
        counts: how often each task was chosen in this epoch (tasks, matrices).
        distances: the sum of its distances in the rounds in which it was chosen (tasks, matrices).
        sums: of each matrix, over the batches of this epoch (numbers,).
    """

    sums: list[Any]

    def __init__(self, earlier: Sequence[Tensor], rounds: int, seed: int) -> None:
        """Begin with the first epoch."""
        self.earlier, self.rounds, self.seed = list(earlier), rounds, seed
        self.halves = halves(earlier)
        self._begin()

    def choose(self, now: Sequence[Tensor]) -> list[Tensor]:
        """Return for each matrix an earlier task's version of it (numbers,), most often one that is near.

        Args:
            now: the matrices as they are, without a gradient (numbers,). Distances are to their mean in this epoch.
        """
        if self.done == self.rounds:
            self._begin()
        self.earlier = [versions.to(matrix.device) for versions, matrix in zip(self.earlier, now, strict=True)]
        self.sums = [total + matrix for total, matrix in zip(self.sums, now, strict=True)]
        chosen = self._draw_tasks()
        chosen_versions = [versions[task] for versions, task in zip(self.earlier, chosen.tolist(), strict=True)]
        means = [total / (self.done + 1) for total in self.sums]
        gaps = torch.stack([(mean - version).abs().sum() for mean, version in zip(means, chosen_versions, strict=True)])
        cells = chosen, torch.arange(len(chosen))
        self.counts[cells] += 1
        self.distances[cells] += gaps.cpu()
        self.done += 1
        return chosen_versions

    def _draw_tasks(self) -> Tensor:
        """Return the index of a task for each matrix (matrices,)."""
        bounds = scores(self.distances, self.counts, self.done, self.rounds)  # (tasks, matrices)
        bounds -= bounds.min()
        first = int(torch.multinomial(bounds.sum(dim=1).softmax(dim=0), 1, generator=self.draws))
        for half in self.halves:
            if first in half.tasks:
                bounds[half.tasks] *= half.factor
        shares = (bounds / (bounds.max() - bounds.min() + TINY)).softmax(dim=0)
        return torch.multinomial(shares.T, 1, generator=self.draws).squeeze(1)

    def _begin(self) -> None:
        self.done = 0
        self.draws = torch.Generator().manual_seed(self.seed)
        self.counts = torch.zeros(len(self.earlier[0]), len(self.earlier))
        self.distances = torch.zeros_like(self.counts)
        self.sums = [0.0] * len(self.earlier)
