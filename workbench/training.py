"""One fit() for every task and method: transformers' Trainer, the best epoch picked on the validation split."""

from __future__ import annotations

import math
import tempfile
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import WeightedRandomSampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments, set_seed

from workbench.contracts import Epoch, FitRecord
from workbench.errors import TrainingError
from workbench.evaluation import evaluate
from workbench.memory import PeakMemory

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from workbench.adaptation import Adaptation
    from workbench.contracts import Listener, Task
    from workbench.model import TaskModel
    from workbench.settings import Budget, MethodSettings


def fit(
    model: TaskModel, task: Task, adaptation: Adaptation, budget: Budget, seed: int, listener: Listener, label: str
) -> FitRecord:
    """Train ``model`` in place on ``task``'s training split and leave it with the weights of its best epoch.

    An epoch is better when its validation score is higher, or equal with a higher likelihood. Nothing here reads the
    test split. ``task`` has to be drawn to the budget already.

    Raises:
        TrainingError: the loss is not a finite number.
    """
    set_seed(seed)
    settings, tokenizer = adaptation.settings, adaptation.backbone.tokenizer
    encoded = model.kind.encode(task.splits["train"], tokenizer, budget.max_length)
    began = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as scratch,
        PeakMemory() as memory,
        listener.fit(label, budget.updates(len(encoded))) as advance,
    ):
        keeper = BestEpoch(model, task, adaptation, budget, advance)
        trainer = _Trainer(
            model=model,
            args=_arguments(scratch, model, settings, budget, seed),
            train_dataset=encoded,
            data_collator=model.kind.collate(tokenizer),
            callbacks=[keeper],
        )
        trainer.balanced = budget.balanced
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        keeper.restore()
    return FitRecord(
        epochs=tuple(keeper.epochs),
        best_epoch=keeper.best.epoch,
        validation=keeper.best.validation,
        steps=trainer.state.global_step,
        seconds=time.perf_counter() - began,
        peak_memory_mb=memory.peak_mb,
        trainable_parameters=sum(parameter.numel() for parameter in model.trainable().values()),
    )


def _arguments(folder: str, model: TaskModel, settings: MethodSettings, budget: Budget, seed: int) -> TrainingArguments:
    return TrainingArguments(
        output_dir=folder,
        seed=seed,
        num_train_epochs=budget.epochs,
        per_device_train_batch_size=budget.batch_size,
        gradient_accumulation_steps=budget.gradient_accumulation,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup_ratio=settings.warmup,
        group_by_length=not budget.balanced,
        remove_unused_columns=False,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        average_tokens_across_devices=False,
    )


class _Trainer(Trainer):  # type: ignore[misc]  # transformers publishes no types
    """Trainer with class-balanced sampling; everything else is as it comes."""

    balanced = False

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        if not self.balanced:
            return super()._get_train_sampler(train_dataset)
        labels = np.array([row["labels"] for row in self.train_dataset])
        weights = 1.0 / np.bincount(labels)[labels]
        generator = torch.Generator().manual_seed(self.args.seed)
        return WeightedRandomSampler(weights.tolist(), len(labels), generator=generator)


class BestEpoch(TrainerCallback):  # type: ignore[misc]  # transformers publishes no types
    """Scores the validation split after each epoch, keeps the best weights, and stops when patience runs out."""

    def __init__(
        self,
        model: TaskModel,
        task: Task,
        adaptation: Adaptation,
        budget: Budget,
        advance: Callable[[int, float, float], None],
    ) -> None:
        """Listen to one fit of ``model``; ``advance`` hears (step, epoch, loss)."""
        self.model, self.task, self.adaptation, self.budget, self.advance = model, task, adaptation, budget, advance
        self.epochs: list[Epoch] = []
        self.losses: list[float] = []
        self.weights: dict[str, Tensor] = {}
        self.best = Epoch(0, math.inf, -math.inf, -math.inf)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
        """Pass the loss on; a loss that is not a number ends the fit."""
        if "loss" not in logs:
            return
        self._require_finite("the loss", logs["loss"], state.global_step)
        self.losses.append(logs["loss"])
        self.advance(state.global_step, state.epoch, logs["loss"])

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Score the validation split and keep the weights if they are the best so far."""
        backbone, rows = self.adaptation.backbone, self.task.splits["validation"]
        found = evaluate(self.model, rows, len(self.task.labels), backbone.tokenizer, self.budget.max_length)
        likelihood = float(found.outcomes["log_likelihood"].mean())
        self._require_finite("the validation likelihood", likelihood, state.global_step)
        score = found.scores[self.model.kind.metric]
        epoch = Epoch(len(self.epochs) + 1, float(np.mean(self.losses or [math.nan])), score, likelihood)
        self.losses = []
        self.epochs.append(epoch)
        if (epoch.validation, epoch.validation_log_likelihood) > (
            self.best.validation,
            self.best.validation_log_likelihood,
        ):
            self.best = epoch
            self.weights = {name: each.detach().clone() for name, each in self.model.trainable().items()}
        if self.budget.patience and epoch.epoch - self.best.epoch >= self.budget.patience:
            control.should_training_stop = True

    def _require_finite(self, what: str, value: float, step: int) -> None:
        if not math.isfinite(value):
            raise TrainingError(
                f"{what} is {value} after step {step} of {self.task.name!r}",
                hint="Lower the learning rate (--set learning_rate=…), or train in fp32 (--set budget.precision=fp32).",
            )

    @torch.no_grad()
    def restore(self) -> None:
        """Put the best epoch's weights back into the model."""
        for name, parameter in self.model.trainable().items():
            parameter.copy_(self.weights[name])
        self.model.eval()
