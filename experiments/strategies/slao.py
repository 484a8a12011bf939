"""slao: one LoRA for all tasks; a task begins in an orthonormal basis of the last one's A, and its B is averaged in.

Before task i, A becomes Qᵀ, where Q R is the QR decomposition of Aᵢ₋₁ᵀ, with signs by which no diagonal entry of R is
negative; B becomes Bᵢ₋₁. Both are as task i − 1 ended with them. They are trained to Aᵢ and Bᵢ. After it, the LoRA that
answers all tasks has A = Aᵢ and B + (Bᵢ − B) ÷ √i, where B is the one that it had (SLAO: Qiao & Mahdavi 2026,
arXiv:2512.23017, algorithm 1). For task 1 it is what was trained. Its rank stays that of one task.

`exponent` is ½ there; with 0 nothing is averaged, which is the control that lacks the merging alone. `sequential` with
`lora` lacks the orthonormal start too. Heads are not merged: a task's head was trained with Bᵢ and answers with B.

No program of the authors was found. The algorithm is as github.com/sontungkieu/merge-before-forget has it, written from
the paper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pydantic import Field
from safetensors.torch import load_file, save_file

from adapter_workbench.experiments.strategies._pairs import pairs
from adapter_workbench.experiments.strategies._shared import SharedWeights
from adapter_workbench.workbench.settings.base import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from adapter_workbench.experiments.strategies._stage import Stage

FILE = "learned.safetensors"
MERGED, LEARNED = "merged", "learned"  # the B of each module, in what a stage has begun with


class SlaoSettings(Settings):
    """How much of a new task is merged in."""

    exponent: float = Field(0.5, ge=0, le=1, description="task i has the weight i to minus this in the merged B")


class Slao(SharedWeights):
    """Its state is that of sequential, and each module's B as the last task ended with it (``learned.safetensors``)."""

    settings = SlaoSettings
    disposable = ("body", FILE)
    method = "lora"

    @torch.no_grad()
    def prepare(self, stage: Stage) -> None:
        """Put the task's start in the place of the merged LoRA, whose B is kept."""
        if stage.state.folder is None:
            return
        last, stage.begun[MERGED] = load_file(stage.state.folder / FILE), {}
        for name, pair in pairs(stage.model.body).items():
            stage.begun[MERGED][name] = pair.b.detach().clone()
            rows = orthonormal(pair.a)
            pair.a.zero_()[: len(rows)] = rows
            pair.b.copy_(last[name])

    @torch.no_grad()
    def finish(self, stage: Stage) -> None:
        """Merge what was learned."""
        weight = len(stage.context.tasks) ** -stage.context.settings.exponent
        learned = {name: pair.b for name, pair in pairs(stage.model.body).items()}
        stage.begun[LEARNED] = {name: b.detach().cpu().clone() for name, b in learned.items()}
        for name, merged in stage.begun.get(MERGED, {}).items():
            learned[name].copy_(torch.lerp(merged.to(learned[name]), learned[name], weight))

    def remember(self, stage: Stage, folder: Path) -> None:
        """Write what the next task begins with; its A is that of the merged LoRA."""
        save_file(stage.begun[LEARNED], folder / FILE)


def orthonormal(a: Tensor) -> Tensor:
    """Return Qᵀ (min(rank, in), in) for A (rank, in): Aᵀ = Q R, and no diagonal entry of R is negative."""
    q, r = torch.linalg.qr(a.detach().T.float())
    rows: Tensor = (q * torch.where(r.diagonal() < 0, -1.0, 1.0)).T
    return rows.to(a)


STRATEGY = Slao()
