"""Beside the Trainer: what a method does between optimiser steps and adds to the loss, and who corrects gradients."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from workbench.methods.method import Course
    from workbench.methods.model import Batch, TaskModel


class Along(TrainerCallback):  # type: ignore[misc]  # transformers publishes no types
    """Passes the Trainer's steps on to a course, and gradients to the model's correction."""

    def __init__(self, course: Course, model: TaskModel) -> None:
        """Follow ``course`` in a fit of ``model``."""
        self.course, self.model = course, model

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell of the step to come."""
        self.course.before_step(state.global_step)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Have the gradients corrected, which are accumulated and clipped by now; the method has the last word."""
        if self.model.correction is not None:
            self.model.correction(state.global_step)
        self.course.before_update(state.global_step)

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell of the step just done, which Trainer has not counted yet."""
        self.course.after_step(state.global_step + 1)


@contextmanager
def penalised(model: TaskModel, course: Course) -> Iterator[None]:
    """Add a course's penalty to the one that ``model`` has, for as long as the block runs."""
    own, outer = course.penalty, model.penalty
    if own is not None:

        def penalty(batch: Batch) -> Tensor:
            return own() if outer is None else own() + outer(batch)

        model.penalty = penalty
    try:
        yield
    finally:
        model.penalty = outer
