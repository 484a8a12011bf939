"""A callback of transformers' Trainer, and of all that are made of it, that gives a remedy its moments."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback

from adapter_workbench.experiments.remedies.fitting_state import in_columns_of, require_begin, require_possible
from adapter_workbench.experiments.remedies.last_pass import LastPass
from adapter_workbench.experiments.remedies.passes import Passes
from adapter_workbench.experiments.remedies.progress import store_progress, take_up_progress
from adapter_workbench.experiments.remedies.reshaping import MADE_BEFORE, Reshaped, reshapes
from adapter_workbench.experiments.remedies.trainer_learner import learner_of, require_rows
from adapter_workbench.workbench.answering.live_model import undisturbed
from adapter_workbench.workbench.errors import InputError, UnwritableError
from adapter_workbench.workbench.training.remedy import Remedy, tasks_after
from adapter_workbench.workbench.training.remedy_state import DOCUMENT, FOLDER, read_state, write_state

if TYPE_CHECKING:
    from os import PathLike

    from torch import Tensor

    from adapter_workbench.experiments.remedies.passes import Inputs
    from adapter_workbench.workbench.training.remedy import ForwardPass, Learner, RemedyState

logger = logging.getLogger(__name__)
BEGUN = "remedy-begun"  # in a checkpoint: what the remedy took from the model before the first step


class RemedyCallback(TrainerCallback):  # type: ignore[misc]  # transformers publishes no types
    """Has a remedy work in a training, and writes what it keeps into ``forgetting-state`` of the output folder.

    What the remedy adds to the loss joins the gradients before they are clipped; what it does with gradients comes
    after that. The loss that the trainer logs is its own.
    """

    def __init__(self, remedy: Remedy, state: str | PathLike[str] | None = None) -> None:
        """Read what the training before kept.

        Args:
            remedy: what is done.
            state: the ``forgetting-state`` of the training before; None before the first.

        Raises:
            InputError: there is no such state.
            IntegrityError: it is damaged.
        """
        self.remedy, self.where = remedy, type(self).__name__
        self._given = None if state is None else read_state(Path(state), remedy.name)
        self._state: RemedyState | None = None
        self._learner: Learner
        self._pass: LastPass | None = None
        self._passes: Passes | None = None
        self._reshaped: Reshaped | None = None

    def on_init_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Have chosen what is trained: the trainer is made, and its optimiser is not.

        Raises:
            InputError: see :meth:`on_train_begin`.
        """
        if not reshapes(self.remedy):
            return
        require_possible(args, self.where)
        learner = learner_of(kwargs["model"], None, args)
        require_begin(self.remedy, self._given, learner, self.where, begins=True)
        self._reshaped = Reshaped.by(self.remedy, learner, self._given)
        self._reshaped.require_resumable(self.remedy, learner, args, self.where)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin the task.

        Raises:
            InputError: this trainer's steps are not what the callback can join, or the state does not fit the model;
                nothing was trained.
        """
        model, loader = kwargs["model"], kwargs.get("train_dataloader")
        self._release()
        adds = type(self.remedy).after_forward is not Remedy.after_forward
        require_possible(args, self.where, passes=adds)
        if self.remedy.reads_rows:
            with undisturbed(model):
                require_rows(loader, self.where)
        self._learner = learner_of(model, loader, args)
        kept = self._given or self._begun(args, state)
        if kept:
            kept = in_columns_of(kept, self._learner)
        if not reshapes(self.remedy):
            require_begin(self.remedy, kept, self._learner, self.where, begins=state.global_step == 0)
        elif self._reshaped is None:
            message = "the optimiser was made before the remedy could choose what it takes"
            raise InputError(message, where=self.where, hint=MADE_BEFORE)
        else:
            self._reshaped.require_taken(self._learner, kwargs["optimizer"], self.where)
        with undisturbed(model):
            self._state = self._first_state(args, state, kept)
        if state.global_step and self._state is not None and kept is None:
            where = str(_checkpoint(args, state) / BEGUN)
            hint = "Go on from a checkpoint in the trainer's own output_dir that this callback has seen written."
            raise InputError(
                "this training goes on, and what the remedy began with is not here", where=where, hint=hint
            )
        if state.global_step:
            take_up_progress(self._state, self.remedy.name, _checkpoint(args, state))
        self._pass = LastPass(self._learner.trained)
        self._passes = Passes(model, self._added_to, args, self.where) if adds else None

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Compute what is added to the step's gradients."""
        if self._passes:
            self._passes.expect(args.gradient_accumulation_steps)
        penalty = self.added(state.global_step)
        if penalty is None or self._pass is None:
            return
        weights = self._pass.weights
        gradients = torch.autograd.grad(penalty, list(weights.values()), allow_unused=True)
        pairs = zip(weights, gradients, strict=True)
        self._pass.expect({name: gradient for name, gradient in pairs if gradient is not None})

    def added(self, step: int) -> Tensor | None:
        """Return what is added to the loss of a step, counted from 0; a scalar, or None."""
        return self.remedy.penalty(self._learner, self._state)

    def remembered(self, inputs: Inputs) -> Tensor | None:
        """Return the logits that the rows of a forward pass bring with them (…, labels); None where they bring none."""
        return None

    def _added_to(self, inputs: Inputs, forward: ForwardPass) -> Tensor | None:
        """Return what is added to the loss of a forward pass; a scalar, or None."""
        forward = replace(forward, remembered=self.remembered(inputs))
        with torch.autocast(forward.loss.device.type, enabled=False):
            return self.remedy.after_forward(self._learner, self._state, forward)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Have the gradients changed, which are accumulated and clipped by now."""
        if self._passes:
            self._passes.finish()
        if self._pass:
            self._pass.add_rest()
        self.remedy.on_gradients(self._learner, self._state, state.global_step)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keep in the checkpoint what the remedy took from the model before the first step."""
        if self._reshaped and state.is_world_process_zero:
            self._reshaped.write(self.remedy, _checkpoint(args, state) / BEGUN)
        if self._state is not None and self._given is None and state.is_world_process_zero:
            write_state(self._state, self.remedy.name, _checkpoint(args, state) / BEGUN)
        if state.is_world_process_zero:
            store_progress(self._state, self.remedy.name, _checkpoint(args, state))

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """End the task: write what the next one needs, of the weights that the training leaves."""
        self._release()
        if self._reshaped:
            self.remedy.release(self._learner)
            self._reshaped.restore()
            self._reshaped = None
        if not state.is_world_process_zero:
            return
        with undisturbed(kwargs["model"]), torch.enable_grad():
            kept = self.remedy.after_task(self._learner, self._state)
        del self._learner  # it holds the model
        if kept:
            kept = replace(kept, tasks=tasks_after(self._given))
            _write_or_say(kept, self.remedy.name, Path(args.output_dir) / FOLDER)

    def _first_state(self, args: Any, state: Any, kept: RemedyState | None) -> RemedyState | None:
        """Return what the steps need; of a training that goes on, with the weights of its checkpoint."""
        if not state.global_step:
            return self.remedy.before_task(self._learner, kept)
        if self._reshaped:
            self._reshaped.take_up(self.remedy, _checkpoint(args, state) / BEGUN)
        return self.remedy.going_on(self._learner, kept)

    def _begun(self, args: Any, state: Any) -> RemedyState | None:
        """Return what a checkpoint from which the training goes on keeps of its beginning."""
        folder = _checkpoint(args, state) / BEGUN
        there = state.global_step and (folder / self.remedy.name / DOCUMENT).exists()
        return read_state(folder, self.remedy.name) if there else None

    def _release(self) -> None:
        if self._pass:
            self._pass.release()
        if self._passes:
            self._passes.release()
        self._pass = self._passes = None


def _write_or_say(kept: RemedyState, remedy: str, folder: Path) -> None:
    """Write a state; where that fails, say so and go on: a program is still to save what it has trained."""
    try:
        write_state(kept, remedy, folder)
    except (UnwritableError, OSError) as error:
        logger.error("%s: what the next training needs is lost: %s", folder, error)


def _checkpoint(args: Any, state: Any) -> Path:
    return Path(args.output_dir) / f"checkpoint-{state.global_step}"
