"""tree-lora: one LoRA learns task after task; each of its A is drawn towards that of an earlier task that is near.

After each task the A of all adapted modules are kept. For each batch of a later task and each module d a bandit chooses
an earlier task k, and a penalty is added with the gradient of −λ (n ÷ N) L ln |Σ_d ⟨A_d, A_{k,d}⟩|: λ the strength, n
how many of the N batches of the epoch were before, and L the loss of the batch, held fixed (TreeLoRA: Qian et al. 2025,
arXiv:2506.10355, as in the authors' program, where A itself stands for what the paper calls a task's gradient).

A task's score is the lower confidence bound of its distance, with the sign turned: √(ln(2 N (n + 1) (n + 2)) ÷ 2c) − m,
m the mean of ‖Ā_d − A_{k,d}‖₁ over the c times that it was chosen in this epoch, Ā the mean of A in the epoch so far.
A first task is drawn by the scores over all modules, and says into which half of a tree the bandit looks: scores there
are multiplied by the half's median similarity, at most 1.5. Then each module draws its task by the softmax of the
scores ÷ their range. The tree is made of what the tasks changed of A: its root of the first module, its two halves of
the second.

Differences from the program:

- It adds distances where it means to subtract them, and so prefers tasks that are far. Here near ones are preferred.
- It also adds the smallest score to all scores where it means to subtract it. Here scores are shifted so that the
  smallest is 0. The shift matters only where a half's scores are multiplied.
- Its random numbers go on from epoch to epoch. Here they are the same in each epoch.
- Its tree goes on as deep as there are modules, of which the search reads two levels. Here are those two alone.
- It keeps the mean of A over the last epoch, times the number of modules. Here A is kept as the best epoch left it. Its
  Ā is divided by all batches of the epoch, here by those so far.
- It needs modules of one size. Here each may have its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from safetensors.torch import load_file, save_file

from adapter_workbench.experiments.strategies._pairs import pairs
from adapter_workbench.experiments.strategies._remedied import Remedied
from adapter_workbench.experiments.strategies._shared import RemedySettings, Strength
from adapter_workbench.fusion.updates import lora
from adapter_workbench.workbench.training.remedy import ForwardPass, Learner, Remedy, RemedyState, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from adapter_workbench.experiments.strategies._stage import Stage

FILE = "tree.safetensors"  # adapted module → the A of each task, a row each: (tasks, rank · in)
ROWS = "rows"  # the same in a remedy's state
CEILING = 1.5  # of what a half's scores are multiplied by
TINY = 1e-5


class TreeLoraSettings(RemedySettings):
    """``strength`` is λ."""

    strength: Strength = 0.5


@dataclass(frozen=True)
class NearEarlier(Remedy):
    """Its state is the A of all tasks so far, and while a task is trained how near they are to its own."""

    strength: float
    name: ClassVar[str] = "tree-lora"
    reads_rows: ClassVar[bool] = True

    def shapes(self, learner: Learner) -> dict[str, Shape]:
        """Return those of A as rows of numbers, of which each task adds one."""
        return {name: (None, row.numel()) for name, row in _rows(learner.body).items()}

    def before_task(self, learner: Learner, state: RemedyState | None) -> RemedyState | None:
        """Plant the tree; nothing before the second task."""
        if state is None:
            return None
        earlier = [state.tensors[ROWS][name] for name in _rows(learner.body)]
        seed = learner.rows.seed + 1000 * len(earlier[0])  # each task's own
        return replace(state, progress=Bandit(earlier, learner.rows.batches(), seed))

    def after_forward(self, learner: Learner, state: RemedyState | None, forward: ForwardPass) -> Tensor | None:
        """Return λ times what draws each A towards that of an earlier task; None before the second task."""
        if state is None:
            return None
        bandit: Any = state.progress
        return self.strength * pull(learner.body, forward.loss, bandit)

    def after_task(self, learner: Learner, state: RemedyState | None) -> RemedyState:
        """Add the A of the task that was just learned."""
        rows = {name: row.detach().cpu().unsqueeze(0) for name, row in _rows(learner.body).items()}
        if state:
            rows = {name: torch.cat([state.tensors[ROWS][name].cpu(), own]) for name, own in rows.items()}
        return RemedyState({ROWS: rows})


class TreeLora(Remedied):
    """Its state is that of sequential, and the A of all tasks (``tree.safetensors``)."""

    settings = TreeLoraSettings
    method = "lora"
    disposable = ("body", FILE)

    def remedy(self, settings: TreeLoraSettings, strength: float | None) -> NearEarlier:
        """Return the remedy."""
        return NearEarlier(0.0 if strength is None else strength)

    def state_before(self, stage: Stage) -> RemedyState | None:
        """Return the stored A, which go by the names of modules in the backbone."""
        if stage.state.folder is None:
            return None
        kept = load_file(stage.state.folder / FILE)
        return RemedyState({ROWS: {name: kept[name.removeprefix(lora.PREFIX)] for name in _rows(stage.model.body)}})

    def store(self, state: RemedyState, remedy: Remedy, folder: Path) -> None:
        """Write the A."""
        rows = {name.removeprefix(lora.PREFIX): row for name, row in state.tensors[ROWS].items()}
        save_file(rows, folder / FILE)


def pull(body: nn.Module, loss: Tensor, bandit: Bandit) -> Tensor:
    """Return −(n ÷ N) L c ÷ c', c = Σ_d ⟨A_d, A_{k,d}⟩ and c' the same number without a gradient; a scalar."""
    share, now = bandit.done % bandit.rounds / bandit.rounds, [*_rows(body).values()]
    chosen = bandit.choose([row.detach() for row in now])
    along = torch.stack([(row * earlier).sum() for row, earlier in zip(now, chosen, strict=True)]).sum()
    fixed = along.detach()
    return loss * along / (fixed + torch.copysign(torch.full_like(fixed, TINY), fixed)) * -share


def _rows(body: nn.Module) -> dict[str, Tensor]:
    """Return A of each module's LoRA as one row of numbers (rank · in,)."""
    return {name: pair.a.flatten() for name, pair in pairs(body).items()}


# Which earlier task each matrix is most like: tasks are arms of a bandit, and halves of a tree guide its choice.


@dataclass(frozen=True)
class Half:
    """A child of the tree's root."""

    tasks: list[int]  # their indices
    factor: float  # what their scores are multiplied by where the bandit looks into this half


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

    def tensors(self) -> dict[str, Tensor]:
        """Return where the bandit is in its epoch."""
        sums = {f"sum {index}": total for index, total in enumerate(self.sums) if self.done}
        counted = {"counts": self.counts, "distances": self.distances}
        return {"done": torch.tensor([self.done]), "draws": self.draws.get_state(), **counted, **sums}

    def take_up(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from there."""
        self.done = int(tensors["done"])
        self.draws.set_state(tensors["draws"])
        self.counts, self.distances = tensors["counts"].clone(), tensors["distances"].clone()
        self.sums = [tensors.get(f"sum {index}", 0.0) for index in range(len(self.sums))]

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


STRATEGY = TreeLora()
