"""What runs beside the Trainer: a method's hooks and penalty, and a strategy's correction of gradients."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from adapter_workbench.workbench.methods.method import FitHooks
    from adapter_workbench.workbench.methods.model import Batch, TaskModel


class HookCallback(TrainerCallback):  # type: ignore[misc]  # transformers publishes no types
    """Passes the Trainer's steps on to a method's hooks, and gradients to the model's correction."""

    def __init__(self, hooks: FitHooks, model: TaskModel) -> None:
        self.hooks, self.model = hooks, model

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell of the step to come."""
        self.hooks.before_step(state.global_step)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Have the gradients corrected, which are accumulated and clipped by now; the method has the last word."""
        if self.model.correction is not None:
            self.model.correction(state.global_step)
        self.hooks.before_update(state.global_step)

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell of the step just done, which Trainer has not counted yet."""
        self.hooks.after_step(state.global_step + 1)


@contextmanager
def with_penalty(model: TaskModel, hooks: FitHooks) -> Iterator[None]:
    """Add a method's penalty to the one that ``model`` has, for as long as the block runs."""
    own, outer = hooks.penalty, model.penalty
    if own is not None:

        def penalty(batch: Batch) -> Tensor:
            return own() if outer is None else own() + outer(batch)

        model.penalty = penalty
    try:
        yield
    finally:
        model.penalty = outer
