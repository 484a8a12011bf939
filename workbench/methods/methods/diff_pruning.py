"""Diff pruning: a change of all weights is learned under an L0 penalty, and only its largest entries are kept.

While it is relaxed the difference is z ⊙ w, with z in [0, 1] drawn from a hard-concrete distribution whose gates α are
learned too; the penalty λ Σ σ(α) is the expected number of entries that are not zero (sec. 3.1). Then the entries of
the largest |z ⊙ w| over all weights are kept and trained on without gates (sec. 3.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field
from torch import nn

from adapter_workbench.workbench.backbone import architecture
from adapter_workbench.workbench.methods.method import FitHooks, Method
from adapter_workbench.workbench.settings.base import MethodSettings
from adapter_workbench.workbench.settings.bounds import Density, Weight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor
    from transformers import PretrainedConfig

    from adapter_workbench.workbench.methods.method import FitLength

LOW, HIGH = -1.5, 1.5  # what the concrete distribution is stretched to before it is clamped to [0, 1]
OPEN = 5.0  # α at the beginning
SPEED = 500.0  # what is stored is α ÷ SPEED: an optimiser moves every number alike, and α has to move faster than w


class Settings(MethodSettings):
    """``density``: share of the weights that differ in the end; ``relaxed``: share of the steps before the cut."""

    learning_rate: float = 2e-4
    density: Density = 0.005
    relaxed: float = Field(0.5, ge=0, lt=1)
    penalty: Weight = Field(1.25e-7, description="λ of the L0 penalty")


class Gates(nn.Module):
    """A hard-concrete gate for each entry of the difference (Louizos et al. 2018, arXiv:1712.01312)."""

    def __init__(self, differences: Sequence[Tensor]) -> None:
        """Make open gates in the shapes of ``differences``."""
        super().__init__()
        self.log_alpha = nn.ParameterList([torch.full_like(difference, OPEN / SPEED) for difference in differences])

    def forward(self, differences: Sequence[Tensor]) -> list[Tensor]:
        """Return z ⊙ w: z is drawn while training, and else what it is without noise."""
        return [self._open(gate) * difference for gate, difference in zip(self.log_alpha, differences, strict=True)]

    def expected_open(self) -> Tensor:
        """Return the expected number of gates that are not shut, Σ σ(α − log(−LOW / HIGH)) with LOW = −HIGH."""
        return torch.stack([torch.sigmoid(SPEED * gate).sum() for gate in self.log_alpha]).sum()

    def _open(self, gate: Tensor) -> Tensor:
        logits = SPEED * gate
        if self.training:
            noise = torch.rand_like(gate).clamp(1e-6, 1 - 1e-6)
            logits = logits + noise.logit()
        return (torch.sigmoid(logits) * (HIGH - LOW) + LOW).clamp(0, 1)


def hooks(settings: Settings, body: Any, length: FitLength) -> FitHooks:
    """Relax, cut once, and hold what was cut away at zero."""
    cut = max(1, int(settings.relaxed * length.total))
    gates = body.gates = Gates(body.diff)
    kept: list[Tensor] = []

    @torch.no_grad()
    def after(done: int) -> None:
        if done == cut:
            values = gates.eval()(body.diff)
            body.gates = None
            kept.extend(largest(values, settings.density))
            for difference, value in zip(body.diff, values, strict=True):
                difference.copy_(value)
        for difference, mask in zip(body.diff, kept):  # noqa: B905  # none before the cut
            difference.mul_(mask)

    def penalty() -> Tensor:
        return settings.penalty * gates.expected_open() if body.gates is not None else torch.zeros(())

    return FitHooks(after_step=after, penalty=penalty, settles=cut, resumable=False)  # masks are in no checkpoint


def largest(values: Sequence[Tensor], density: float) -> list[Tensor]:
    """Return for each tensor where the ``density`` · n largest of all n magnitudes are, at least one."""
    sizes = torch.cat([value.abs().flatten() for value in values])
    positions = sizes.topk(max(1, int(density * len(sizes)))).indices
    mask = torch.zeros_like(sizes, dtype=torch.bool)
    mask[positions] = True
    parts = torch.split(mask, [value.numel() for value in values])
    return [part.view_as(value) for part, value in zip(parts, values, strict=True)]


def configure(settings: Settings, config: PretrainedConfig) -> list[str]:
    """Return the names of all parameters that reach the states."""
    return architecture.parameters(config)


METHOD = Method(
    title="Diff pruning",
    paper="Guo et al. 2021, arXiv:2012.07463, sec. 3",
    library="diff",
    settings=Settings,
    configure=configure,
    hooks=hooks,
    reshapes=True,
    recomputes=False,  # the weights of all layers are made before the first
    fails_on=("nf4", "int8"),
)
