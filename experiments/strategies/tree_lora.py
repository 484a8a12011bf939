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

from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from adapter_workbench.experiments.strategies._branches import NOW
from adapter_workbench.experiments.strategies._shared import RemedySettings, SharedWeights, Strength
from adapter_workbench.experiments.strategies._similar_tasks import TINY, Bandit
from adapter_workbench.fusion.updates import lora

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.workbench.methods.model import Batch, Penalty

FILE = "tree.safetensors"  # adapted module → the A of each task, a row each: (tasks, rank · in)


class TreeLoraSettings(RemedySettings):
    """``strength`` is λ."""

    strength: Strength = 0.5


class TreeLora(SharedWeights):
    """Its state is that of sequential, and the A of all tasks (``tree.safetensors``)."""

    settings = TreeLoraSettings
    method = "lora"
    disposable = ("body", FILE)

    def penalty(self, stage: Stage, strength: float) -> Penalty:
        """Return what draws each A towards that of an earlier task."""
        kept, context = load_file(stage.state.existing / FILE), stage.context
        rounds = context.budget.batches(len(stage.task.splits["train"]))
        bandit = Bandit([kept[name] for name in _rows(stage.model.body)], rounds, context.stage_seed)
        return lambda batch: strength * pull(batch, bandit)

    def remember(self, stage: Stage, folder: Path) -> None:
        """Add the A of the task that was just learned."""
        before = stage.state.folder
        kept: dict[str, Any] = load_file(before / FILE) if before else {}
        own = {name: row.detach().cpu().unsqueeze(0) for name, row in _rows(stage.model.body).items()}
        save_file({name: torch.cat([kept[name], row]) if before else row for name, row in own.items()}, folder / FILE)


def pull(batch: Batch, bandit: Bandit) -> Tensor:
    """Return −(n ÷ N) L c ÷ c', c = Σ_d ⟨A_d, A_{k,d}⟩ and c' the same number without a gradient; a scalar."""
    share, now = bandit.done % bandit.rounds / bandit.rounds, [*_rows(batch.model.body).values()]
    chosen = bandit.choose([row.detach() for row in now])
    along = torch.stack([(row * earlier).sum() for row, earlier in zip(now, chosen, strict=True)]).sum()
    fixed = along.detach()
    return batch.loss * along / (fixed + torch.copysign(torch.full_like(fixed, TINY), fixed)) * -share


def _rows(body: nn.Module) -> dict[str, Tensor]:
    """Return A of each adapted module as one row of numbers (rank · in,)."""
    return {name: layer.lora_A[NOW].weight.flatten() for name, layer in lora.layers(body).items()}


STRATEGY = TreeLora()
