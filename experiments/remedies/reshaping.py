"""Remedies that choose what is trained before a Trainer makes its optimiser, and what its checkpoints lack of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.training.remedy import Remedy, RemedyState
from adapter_workbench.workbench.training.remedy_state import read_state, write_state

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from adapter_workbench.workbench.training.remedy import Learner

WEIGHTS = "weights"  # what a checkpoint keeps of the adapters, below REMEDY-weights
MADE_BEFORE = "Give the callback to a new trainer as it is made: Trainer(model, …, callbacks=[…]), without model_init."


def reshapes(remedy: Remedy) -> bool:
    """Return whether a remedy chooses what is trained."""
    return type(remedy).before_optimizer is not Remedy.before_optimizer


@dataclass(frozen=True)
class Reshaped:
    """A model of which a remedy has chosen what is trained, and how it was before that and is since then."""

    model: Any
    before: dict[str, bool]  # name of a parameter → whether it was trained
    since: dict[str, bool]
    active: tuple[str, ...]  # adapters; none without peft

    @classmethod
    def by(cls, remedy: Remedy, learner: Learner, state: RemedyState | None) -> Reshaped:
        """Have ``remedy`` choose."""
        model: Any = learner.body
        before = _flags(model)
        remedy.before_optimizer(learner, state)
        return cls(model, before, _flags(model), tuple(model.active_adapters) if hasattr(model, "peft_config") else ())

    def require_resumable(self, remedy: Remedy, learner: Learner, args: Any, where: str) -> None:
        """Make sure that a trainer could go on from the checkpoints that it is to write; else undo the choice.

        Raises:
            InputError: it would train other weights then: of several adapters it goes on with all of the first one.
        """
        flags = {name: flag for name, flag in self.since.items() if ".lora_A." in name or ".lora_B." in name}
        if args.save_strategy == "no" or len(self.active) < 2:
            return
        if all(trained == (f".{self.active[0]}." in name) for name, trained in flags.items()):
            return
        remedy.release(learner)
        self.restore()
        message = (
            "from a checkpoint of several adapters, a trainer goes on with the first active one, and trains all of it"
        )
        hint = (
            "Name the new one first (set_adapter([new, earlier])), or merge the earlier ones, or write no checkpoints."
        )
        raise InputError(message, where=where, hint=hint)

    def require_taken(self, learner: Learner, optimizer: Any, where: str) -> None:
        """Make sure that a training moves what the remedy has chosen.

        Raises:
            InputError: it trains another model, or its optimiser has other weights.
        """
        if learner.body is not self.model:
            raise InputError("the model that is trained is not the one of this trainer", where=where, hint=MADE_BEFORE)
        taken = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
        if any(id(weight) not in taken for weight in learner.trained.values()):
            hint = "Let the trainer make its own, or make yours after the trainer."
            raise InputError("the optimiser does not have the weights that are trained", where=where, hint=hint)

    def write(self, remedy: Remedy, folder: Path) -> None:
        """Write all adapters' weights: of several, a trainer takes up some of its own checkpoint alone."""
        if self.active:
            parameters = dict(self.model.named_parameters())
            held = {name: parameters[name].detach() for name in self._of_adapters()}
            write_state(RemedyState({WEIGHTS: held}), f"{remedy.name}-weights", folder)

    @torch.no_grad()
    def take_up(self, remedy: Remedy, folder: Path) -> None:
        """Continue with what :meth:`write` wrote.

        Raises:
            InputError: nothing is there.
            IntegrityError: it is damaged.
        """
        if not self.active:
            return
        held = read_state(folder, f"{remedy.name}-weights").tensors[WEIGHTS]
        self.model.base_model.set_adapter([*self.active])
        parameters: dict[str, nn.Parameter] = dict(self.model.named_parameters())
        for name in self._of_adapters():
            parameters[name].copy_(held[name])
        self._set(self.since)

    def restore(self) -> None:
        """Have trained what was trained before the remedy chose; what it made is undone by now."""
        self._set(self.before)

    def _of_adapters(self) -> list[str]:
        """Return the names of what the remedy has chosen, and of all that lies in adapters."""
        return [name for name, trained in self.since.items() if trained or ".lora_" in name]

    def _set(self, flags: dict[str, bool]) -> None:
        for name, weight in self.model.named_parameters():
            weight.requires_grad = flags.get(name, weight.requires_grad)


def _flags(model: nn.Module) -> dict[str, bool]:
    return {name: weight.requires_grad for name, weight in model.named_parameters()}
