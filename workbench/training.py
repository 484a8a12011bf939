"""One fit() for every task and method: transformers' Trainer, the best epoch picked on the validation split."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.utils.data import WeightedRandomSampler
from transformers import PrinterCallback, Trainer, TrainingArguments, set_seed

from workbench import processes
from workbench.best_epoch import BestEpoch
from workbench.contracts import FitRecord
from workbench.errors import InputError
from workbench.memory import PeakMemory

if TYPE_CHECKING:
    from workbench.adaptation import Adaptation
    from workbench.contracts import Listener, Task
    from workbench.model import TaskModel
    from workbench.settings import Budget


def fit(
    model: TaskModel,
    task: Task,
    adaptation: Adaptation,
    budget: Budget,
    seed: int,
    listener: Listener,
    label: str,
    scratch: Path | None = None,
) -> FitRecord:
    """Train ``model`` in place on ``task``'s training split and leave it with the weights of its best epoch.

    An epoch is better when its validation score is higher, or equal with a higher likelihood. Nothing here reads the
    test split. ``task`` has to be drawn to the budget already. A fit that takes long leaves checkpoints in ``scratch``
    at the ends of epochs; the same call finds them there, goes on, and comes to the same weights.

    Raises:
        InputError: classes are to be balanced, and the task has none.
        TrainingError: the loss is not a finite number.
    """
    if budget.balanced and model.kind.target != "label":
        raise InputError(f"{task.name!r} has no classes to balance", hint="Leave budget.balanced out.")
    set_seed(seed)
    tokenizer = adaptation.backbone.tokenizer
    encoded = model.kind.encode(task.splits["train"], tokenizer, budget.max_length)
    began = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as elsewhere,
        PeakMemory() as memory,
        listener.fit(label, budget.updates(len(encoded))) as advance,
    ):
        keeper = BestEpoch(model, task, adaptation, budget, advance, keep=scratch is not None)
        trainer = _Trainer(
            model=model,
            args=_arguments(str(scratch or elsewhere), adaptation, budget, seed),
            train_dataset=encoded,
            data_collator=model.kind.collate(tokenizer),
            callbacks=[keeper],
        )
        trainer.balanced = budget.balanced
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=keeper.resume(scratch) if scratch else None)
        keeper.restore()
    return FitRecord(
        epochs=tuple(keeper.epochs),
        best_epoch=keeper.best.epoch,
        validation=keeper.best.validation,
        steps=trainer.state.global_step,
        seconds=time.perf_counter() - began + keeper.seconds_before,
        peak_memory_mb=memory.peak_mb,
        trainable_parameters=sum(parameter.numel() for parameter in model.trainable().values()),
    )


def _arguments(folder: str, adaptation: Adaptation, budget: Budget, seed: int) -> TrainingArguments:
    settings = adaptation.settings
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
        save_strategy="no",  # BestEpoch says when
        report_to=[],
        disable_tqdm=True,
        use_cpu=not torch.accelerator.is_available(),
        ddp_find_unused_parameters=adaptation.card.trains_backbone,  # a pooler, often
        ddp_backend="gloo" if processes.count() > 1 and not torch.accelerator.is_available() else None,
        dataloader_pin_memory=torch.cuda.is_available(),
        average_tokens_across_devices=False,
    )


WEIGHTS_FILE = "model.safetensors"


class _Trainer(Trainer):  # type: ignore[misc]  # transformers publishes no types
    """Trainer with class-balanced sampling, and checkpoints of what is trained alone; the rest is as it comes."""

    balanced = False

    def _save(self, output_dir: str, state_dict: Any = None) -> None:
        weights = {name: each.detach().contiguous() for name, each in self.model.trainable().items()}
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        save_file(weights, Path(output_dir) / WEIGHTS_FILE)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        self.model.load_state_dict(load_file(Path(resume_from_checkpoint) / WEIGHTS_FILE), strict=False)

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        if not self.balanced:
            return super()._get_train_sampler(train_dataset)
        labels = np.array([row["labels"] for row in self.train_dataset])
        weights = 1.0 / np.bincount(labels)[labels]
        generator = torch.Generator().manual_seed(self.args.seed)
        return WeightedRandomSampler(weights.tolist(), len(labels), generator=generator)
