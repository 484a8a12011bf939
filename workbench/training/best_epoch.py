"""What happens at the end of an epoch: the validation split is scored, the best weights are kept, patience runs out."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback

from adapter_workbench.workbench.adapters.fit_record import Epoch
from adapter_workbench.workbench.answering.evaluation import BROKEN_WEIGHTS, evaluate_split
from adapter_workbench.workbench.backbone.batching import to_device_of
from adapter_workbench.workbench.errors import AnswerError, IntegrityError, TrainingError
from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.files.atomic import flush
from adapter_workbench.workbench.machine.processes import agree, first_ahead, wait_for_all
from adapter_workbench.workbench.machine.sharding import copy_into, full_tensor
from adapter_workbench.workbench.training.default_rates import default_rate

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from adapter_workbench.workbench.machine.stopwatch import Stopwatch
    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget

CHECKPOINT_SECONDS = 60.0  # a fit that is shorter than this is not worth a checkpoint
FAR, IN_A_ROW, FIRST_STEPS = 10, 3, 100  # diverged: FAR × the first loss (or 1), IN_A_ROW steps, within FIRST_STEPS
KEPT = "best_epoch.json"  # written last: a checkpoint without it is not complete
WEIGHTS = "best_epoch.safetensors"


@dataclass(frozen=True)
class Progress:
    """What a checkpoint keeps beside the weights: the epochs so far, the best of them, and what they took."""

    epochs: tuple[Epoch, ...]
    best: Epoch
    seconds: float
    # first step and loss of the fit; None where an earlier version wrote the checkpoint
    first: tuple[int, float] | None = None
    # what was counted meanwhile; empty where an earlier version wrote the checkpoint
    spent: Mapping[str, float] = field(default_factory=dict)


PROGRESS = TypeAdapter(Progress)


class BestEpoch(TrainerCallback):  # type: ignore[misc]  # transformers publishes no types
    """Scores the validation split after each epoch, keeps the best weights, and stops when patience runs out."""

    def __init__(
        self,
        model: TaskModel,
        task: Task,
        adaptation: Adaptation,
        budget: Budget,
        advance: Callable[[int, float, float], None],
        clock: Stopwatch,
        keep: bool = False,
        settles: int = 0,
    ) -> None:
        """Listen to one fit of ``model``.

        ``advance`` hears (step, epoch, loss); ``clock`` runs until the end of the fit; ``keep`` asks for checkpoints;
        weights of fewer than ``settles`` steps are not kept.
        """
        self.model, self.task, self.adaptation, self.budget, self.advance = model, task, adaptation, budget, advance
        self.epochs: list[Epoch] = []
        self.steps = 0  # to the end of the last of them
        self.settles = settles
        self.losses: list[float] = []
        self.norms: list[float] = []  # of all gradients together, at each step of the epoch
        self.first: tuple[int, float] | None = None  # first step and loss
        self.above = 0  # steps in a row whose loss is far above the first
        self.weights: dict[str, Tensor] = {}
        self.best = Epoch(0, math.inf, -math.inf, -math.inf)
        self.keep, self.saved, self.clock = keep, time.perf_counter(), clock

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
        """Pass the loss on; a loss that is not a number, or that rises far in the first steps, ends the fit."""
        if "loss" not in logs:
            return
        self.first = self.first or (state.global_step, logs["loss"])
        self._require_finite("the loss", logs["loss"], state.global_step)
        self._require_near(logs["loss"], state.global_step)
        self.losses.append(logs["loss"])
        self.norms.append(float(logs.get("grad_norm", 0.0)))
        self.advance(state.global_step, state.epoch, logs["loss"])

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Score the validation split and keep the weights if they are the best so far.

        Gradients that are not finite are clipped to zero. Where no step had finite ones, nothing was learned.
        """
        if self.norms and not any(map(math.isfinite, self.norms)):
            self._require_finite("the norm of the gradients", self.norms[-1], state.global_step)
        backbone, length = self.adaptation.backbone, self.budget.max_length
        try:
            evaluation = evaluate_split(self.model, self.task, "validation", backbone, length)
        except AnswerError:
            raise self._divergence("the validation likelihood", math.nan, state.global_step) from None
        likelihood = evaluation.log_likelihood
        self._require_finite("the validation likelihood", likelihood, state.global_step)
        score = evaluation.scores[self.model.kind.metric]
        epoch = Epoch(len(self.epochs) + 1, float(np.mean(self.losses or [math.nan])), score, likelihood)
        self.losses, self.norms = [], []
        self.epochs.append(epoch)
        self.steps = state.global_step
        settled = self.steps >= self.settles
        if settled and (epoch.validation, epoch.validation_log_likelihood) > (
            self.best.validation,
            self.best.validation_log_likelihood,
        ):
            self.best = epoch
            self.weights = {name: parameter.detach().clone() for name, parameter in self.model.trainable().items()}
        control.should_training_stop |= self.is_over
        if self.keep and agree(time.perf_counter() - self.saved >= CHECKPOINT_SECONDS):
            control.should_save, self.saved = True, time.perf_counter()

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Complete the checkpoint that Trainer has just written with what this callback knows."""
        folder = checkpoint(Path(args.output_dir), state.global_step)
        weights = {name: full_tensor(tensor) for name, tensor in self.weights.items()}
        wait_for_all()  # every process writes a part of the checkpoint
        with first_ahead():
            if (folder / KEPT).exists():
                return
            save_file(weights, folder / WEIGHTS)
            checksummed.seal(folder, _fit_of(folder.parent))
            flush(folder)
            seconds, spent = self.clock.so_far()
            progress = Progress(tuple(self.epochs), self.best, seconds, self.first, spent)
            checksummed.write(PROGRESS, progress, folder / KEPT, _fit_of(folder.parent))
            for older in Path(args.output_dir).glob("checkpoint-*"):
                if older != folder:
                    shutil.rmtree(older)

    def resume(self, scratch: Path, say: Callable[[str], None]) -> str | None:
        """Return the last complete checkpoint in ``scratch`` after taking over what this callback knew, or None.

        One that is damaged, or another fit's, is deleted, and ``say`` hears of it: the fit goes on from the one before,
        or begins anew.
        """
        steps = [int(path.parent.name.rpartition("-")[2]) for path in scratch.glob(f"checkpoint-*/{KEPT}")]
        for step in sorted(steps, reverse=True):
            folder = checkpoint(scratch, step)
            try:
                progress, weights = _read(folder)
            except IntegrityError as error:
                say(f"A checkpoint cannot be used, and was deleted: {error.where}: {error.what}")
                wait_for_all()  # every process has read it
                with first_ahead():
                    shutil.rmtree(folder, ignore_errors=True)
                continue
            self.steps, self.epochs, self.best = step, list(progress.epochs), progress.best
            self.clock.add(progress.seconds, progress.spent)
            self.first = progress.first
            self.weights = to_device_of(self.model, weights)
            return str(folder)
        return None

    @property
    def is_over(self) -> bool:
        """Whether patience has run out."""
        patience, best = self.budget.patience, self.best.epoch
        return bool(patience and best and self.epochs[-1].epoch - best >= patience)

    def _require_near(self, loss: float, step: int) -> None:
        """End a fit whose loss stays far above the first one while it has hardly begun.

        A penalty is part of the loss and is 0 before the first step. Under one, a rise does not mean divergence.
        """
        if self.model.penalty is not None:
            return
        begun, first = self.first or (step, loss)
        self.above = self.above + 1 if loss > FAR * max(first, 1.0) else 0
        if self.above >= IN_A_ROW and step - begun <= FIRST_STEPS:
            raise self._divergence("the loss", loss, step)

    def _require_finite(self, quantity: str, value: float, step: int) -> None:
        if not math.isfinite(value):
            raise self._divergence(quantity, value, step)

    def _divergence(self, quantity: str, value: float, step: int) -> TrainingError:
        message = f"{quantity} is {value:.3g} after step {step} of {self.task.name!r}"
        begun, first = self.first or (0, math.nan)
        if not math.isfinite(first):
            return TrainingError(message, hint=BROKEN_WEIGHTS)
        rate, method = self.adaptation.settings.learning_rate, self.adaptation.method
        usual = default_rate(method, self.adaptation.backbone.config)
        lower = min(rate / 10, usual or rate)
        in_fp32 = ", or train in fp32 (--set budget.precision=fp32)" if self.adaptation.precision == "bf16" else ""
        hint = f"The learning rate is {rate:g}. Lower it: try --set learning_rate={lower:.2g}{in_fp32}."
        if quantity == "the loss":
            rose = f"the loss rose from {first:.3g} to {value:.3g} in {step - begun} steps of {self.task.name!r}"
            return TrainingError(rose, hint=hint)
        return TrainingError(f"{message}; the first loss was {first:.3g}", hint=hint)

    @torch.no_grad()
    def restore(self) -> None:
        """Put the best epoch's weights back into the model."""
        for name, parameter in self.model.trainable().items():
            copy_into(self.weights[name], parameter)
        self.model.eval()


def _read(folder: Path) -> tuple[Progress, dict[str, Tensor]]:
    """Return what a checkpoint keeps of its fit, and the best weights; what Trainer reads of it is compared too.

    Raises:
        IntegrityError: something is damaged or missing, or the checkpoint is another fit's.
    """
    fit = _fit_of(folder.parent)
    progress = checksummed.require(PROGRESS, folder / KEPT, fit)
    checksummed.require_sound(folder, under=fit)
    try:
        return progress, load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise IntegrityError("damaged: not readable", where=str(folder / WEIGHTS)) from error


def _fit_of(scratch: Path) -> str:
    """Return what identifies a fit: its folder, which may be one of several for the same work."""
    return f"{scratch.parent.name}/{scratch.name}"


def checkpoint(scratch: Path, step: int) -> Path:
    """Return where Trainer puts the checkpoint of an optimiser step."""
    return scratch / f"checkpoint-{step}"
