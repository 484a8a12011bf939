"""Gradients of a penalty that join those of a step's last backward pass, as if the penalty stood in the loss.

A trainer accumulates, clips, and calls back only then. Hooks on the trained weights come earlier, so that what is
clipped is the sum, as where the loss itself has the penalty in it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from accelerate.state import GradientState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn


class LastPass:
    """Adds what is due to the gradients of the backward pass that completes a step; once a step, to each weight."""

    def __init__(self, weights: Mapping[str, nn.Parameter]) -> None:
        """Listen to ``weights``, by name."""
        self.weights = weights
        self._due: dict[str, Tensor] = {}
        tensors: Mapping[str, Any] = weights  # torch does not type its hooks
        self._hooks = [weight.register_hook(partial(self._with_due, name)) for name, weight in tensors.items()]

    def expect(self, gradients: Mapping[str, Tensor]) -> None:
        """Have ``gradients`` added in the step that begins, by the name of their weight."""
        self._due = dict(gradients)

    def add_rest(self) -> None:
        """Add what is due to weights that the last pass gave no gradient; theirs is not clipped with the others'."""
        for name, gradient in self._due.items():
            weight = self.weights[name]
            weight.grad = gradient if weight.grad is None else weight.grad + gradient
        self._due = {}

    def release(self) -> None:
        """Listen no more."""
        for hook in self._hooks:
            hook.remove()
        self._due = {}

    def _with_due(self, name: str, gradient: Tensor) -> Tensor:
        """Return what becomes of the gradient of a pass: accelerate says which pass is the step's last."""
        if not GradientState().sync_gradients or name not in self._due:
            return gradient
        return gradient + self._due.pop(name)
