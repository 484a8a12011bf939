"""LoRA-GA: a LoRA that begins along the gradient of the whole matrix, so that its first step goes where W's would go.

With G = U S Vᵀ the gradient of W over examples, A begins at V's first ``rank`` directions and B at U's next ``rank``,
both times ⁴√out ÷ √γ (the authors' program: direction ``ArB2r``, scale ``stable``). peft 0.21 multiplies B by S
besides, and leaves A as it is. The backbone stays as it is (:mod:`._counterweight`): what is
stored is one LoRA of twice the rank.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from adapter_workbench.workbench.methods.libraries.peft import needs_targets
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods import lora
from adapter_workbench.workbench.methods.methods._counterweight import begin_at, drops, until_joined
from adapter_workbench.workbench.methods.methods._examples import gradients, starting
from adapter_workbench.workbench.settings.bounds import Count, Factor

if TYPE_CHECKING:
    from torch import Tensor

    from adapter_workbench.workbench.methods.model import TaskModel


class Settings(lora.Settings):
    """``stable_gamma`` is γ. ``examples`` of the training split give the gradient.

    The learning rate is PiSSA's, and not tuned.
    """

    learning_rate: float = 1e-3
    stable_gamma: Factor = 16
    examples: Count = 64


def begin(settings: Settings, model: TaskModel, batches: list[dict[str, Tensor]]) -> None:
    """Let a fresh LoRA begin along the gradient."""
    by_layer = gradients(model, batches)
    starts = {
        name: factors_along(gradient, settings.rank, settings.stable_gamma) for name, gradient in by_layer.items()
    }
    begin_at(model.body, starts)


def factors_along(gradient: Tensor, rank: int, gamma: float) -> tuple[Tensor, Tensor]:
    """Return B₀ (out, rank) and A₀ (rank, in) for a gradient (out, in)."""
    left, _, right = torch.linalg.svd(gradient, full_matrices=False)
    size = gradient.shape[0] ** 0.25 / gamma**0.5
    return size * left[:, rank : 2 * rank], size * right[:rank]


def unfit(settings: Settings, rows: int, columns: int) -> str | None:
    """Return why a matrix has not so many directions."""
    if min(rows, columns) < 2 * settings.rank:
        return f"twice the rank {settings.rank} is more than a matrix of {rows} × {columns} has"
    return None


METHOD = Method(
    title="LoRA-GA",
    paper="Wang et al. 2024, arXiv:2407.05000",
    library="peft",
    settings=Settings,
    configure=lora.configure,
    objection=needs_targets(lora.configure, unfit),
    prepare=starting(begin),
    hooks=until_joined,
    reshapes=True,
    revision=2,
    affects={2: drops},
)
