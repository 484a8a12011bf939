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
from workbench.contracts import FitRecord, Steps
from workbench.course import Along, penalised
from workbench.errors import InputError
from workbench.evaluation import evaluate
from workbench.memory import PeakMemory, freed_for_reuse
from workbench.model import accelerator

if TYPE_CHECKING:
    from workbench.adaptation import Adaptation
    from workbench.contracts import Listener, Task
    from workbench.model import TaskModel
    from workbench.settings import Budget, Optimizer


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
        InputError: classes are to be balanced, and the task has none; or the optimiser needs what is not here.
        TrainingError: the loss is not a finite number.
    """
    if budget.balanced and model.kind.target != "label":
        raise InputError(f"{task.name!r} has no classes to balance", hint="Leave budget.balanced out.")
    require_optimizer(adaptation.settings.optimizer)
    set_seed(seed)
    tokenizer = adaptation.backbone.tokenizer
    if adaptation.card.prepare:
        adaptation.card.prepare(adaptation.settings, model, task, tokenizer, budget, seed)
    if not model.trainable():
        return _as_it_is(model, task, adaptation, budget)
    encoded = model.kind.encode(task.splits["train"], tokenizer, budget.max_length)
    steps = budget.updates(len(encoded))
    course = adaptation.card.course(adaptation.settings, model.body, Steps(steps, steps // budget.epochs))
    scratch = scratch if course.resumable else None
    trained = sum(parameter.numel() for parameter in model.trainable().values())
    began = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as elsewhere,
        PeakMemory() as memory,
        freed_for_reuse(),
        penalised(model, course),
        listener.fit(label, steps) as advance,
    ):
        keeper = BestEpoch(model, task, adaptation, budget, advance, keep=scratch is not None, settles=course.settles)
        trainer = trainer_of(model, adaptation, budget, seed, scratch or Path(elsewhere), encoded)
        trainer.add_callback(Along(course))
        trainer.add_callback(keeper)
        trainer.train(resume_from_checkpoint=keeper.resume(scratch) if scratch else None)
        keeper.restore()
    course.finish()
    return FitRecord(
        epochs=tuple(keeper.epochs),
        best_epoch=keeper.best.epoch,
        validation=keeper.best.validation,
        steps=trainer.state.global_step,
        seconds=time.perf_counter() - began + keeper.seconds_before,
        peak_memory_mb=memory.peak_mb,
        trainable_parameters=trained,
    )


OPTIMIZERS: dict[Optimizer, str] = {  # as transformers calls them
    "adamw": "adamw_torch_fused",
    "adamw-8bit": "adamw_bnb_8bit",
    "paged-adamw-8bit": "paged_adamw_8bit",
}


def require_optimizer(optimizer: Optimizer, where: str | None = None) -> None:
    """Make sure that an optimiser does here what its name says.

    Raises:
        InputError: it does not.
    """
    if optimizer.startswith("paged") and not torch.cuda.is_available():
        what = f"{optimizer} moves its states between a GPU's memory and the processor's, and there is no GPU here"
        raise InputError(what, where=where, hint="Take adamw-8bit: its states are as small, and it works here.")


def trainer_of(
    model: TaskModel, adaptation: Adaptation, budget: Budget, seed: int, folder: Path, encoded: list[dict[str, Any]]
) -> Trainer:
    """Return the Trainer of a fit on ``encoded`` rows, writing to ``folder``; it puts ``model`` on the device."""
    trainer = _Trainer(
        model=model,
        args=_arguments(str(folder), adaptation, budget, seed),
        train_dataset=encoded,
        data_collator=model.kind.collate(adaptation.backbone.tokenizer),
    )
    trainer.balanced = budget.balanced
    trainer.remove_callback(PrinterCallback)
    return trainer


def _as_it_is(model: TaskModel, task: Task, adaptation: Adaptation, budget: Budget) -> FitRecord:
    """Return the record of a model that has nothing to train: its validation score."""
    with PeakMemory() as memory:
        tokenizer, rows = adaptation.backbone.tokenizer, task.splits["validation"]
        found = evaluate(model, rows, len(task.labels), tokenizer, budget.max_length)
    score = found.scores[model.kind.metric]
    return FitRecord((), 0, score, 0, found.seconds, memory.peak_mb, trainable_parameters=0)


def _arguments(folder: str, adaptation: Adaptation, budget: Budget, seed: int) -> TrainingArguments:
    settings, on_processor = adaptation.settings, accelerator().type == "cpu"
    arguments = TrainingArguments(
        output_dir=folder,
        seed=seed,
        num_train_epochs=budget.epochs,
        per_device_train_batch_size=budget.batch_size,
        gradient_accumulation_steps=budget.gradient_accumulation,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup_ratio=settings.warmup,
        optim=OPTIMIZERS[settings.optimizer],
        group_by_length=not budget.balanced,
        remove_unused_columns=False,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",  # BestEpoch says when
        report_to=[],
        disable_tqdm=True,
        use_cpu=on_processor,
        ddp_find_unused_parameters=adaptation.card.trains_backbone,  # a pooler, often
        ddp_backend="gloo" if processes.count() > 1 and on_processor else None,
        dataloader_pin_memory=torch.cuda.is_available(),
        average_tokens_across_devices=False,
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # a process would else give every GPU that it sees a batch a step
    return arguments


WEIGHTS_FILE = "model.safetensors"


class _Trainer(Trainer):  # type: ignore[misc]  # transformers publishes no types
    """Trainer with class-balanced sampling, checkpoints of what is trained alone, optimisers that share no memory."""

    balanced = False

    def create_optimizer(self) -> Any:
        """Return the optimiser; of 8-bit ones, embeddings keep their moments in 32.

        bitsandbytes remembers which parameters do so for the whole process: their modules, and their places in the
        optimiser, which it would take for those of the next one. So it is made to forget.
        """
        if self.args.optim == OPTIMIZERS["adamw"] or self.optimizer is not None:
            return super().create_optimizer()
        from bitsandbytes.optim import GlobalOptimManager

        remembered = GlobalOptimManager.get_instance()
        remembered.initialize()
        optimizer = super().create_optimizer()
        optimizer.check_overrides()  # reads the modules, which are not needed after that
        remembered.module_weight_config_triple.clear()
        return optimizer

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
