"""transformers' Trainer as a fit needs it: its arguments from budget and settings, and where it behaves differently.

Its checkpoints cannot be read again by several processes that compute on a processor. Those that share a fit store what
each holds, all weights or a part, and as many processes as wrote them read them: how many is part of a lesson's key, by
which its folder is named.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.distributed.tensor import DTensor
from torch.utils.data import WeightedRandomSampler
from transformers import PrinterCallback, Trainer, TrainingArguments

from adapter_workbench.workbench.backbone.transformers_api import training_options
from adapter_workbench.workbench.machine import processes, sharding
from adapter_workbench.workbench.machine.device import accelerator

if TYPE_CHECKING:
    from torch import Tensor

    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.settings.base import Budget, Optimizer

# in the environment, the defaults of every training in the process
PRECISION, COMPILER = "ACCELERATE_MIXED_PRECISION", "ACCELERATE_DYNAMO_BACKEND"
WEIGHTS_FILE = "model.safetensors"
OPTIMIZERS: dict[Optimizer, str] = {  # as transformers calls them
    "adamw": "adamw_torch_fused",
    "adamw-8bit": "adamw_bnb_8bit",
    "paged-adamw-8bit": "paged_adamw_8bit",
}


def trainer_of(
    model: TaskModel,
    adaptation: Adaptation,
    budget: Budget,
    seed: int,
    folder: Path,
    encoded: list[dict[str, Any]],
    collate: Callable[[list[dict[str, Any]]], dict[str, Tensor]] | None = None,
) -> Trainer:
    """Return the Trainer of a fit on ``encoded`` rows, writing to ``folder``; it puts ``model`` on the device.

    ``collate`` makes a batch of some of the rows; by default as the kind does it.
    """
    with _left_as_it_is():
        trainer = _Trainer(
            model=model,
            args=_arguments(str(folder), adaptation, budget, seed),
            train_dataset=encoded,
            data_collator=collate or model.kind.collate(adaptation.backbone.tokenizer),
        )
    trainer.balanced = budget.balanced
    if processes.shards():
        sharding.set_up(trainer)
    trainer.remove_callback(PrinterCallback)
    return trainer


def in_parts() -> bool:
    """Return whether checkpoints are written in parts."""
    return processes.count() > 1 or processes.shards()


def store_part(trainer: Trainer, folder: Path) -> None:
    """Write what this process holds of the trained weights and of the optimiser, and where the schedule is."""
    part = {
        "weights": {name: parameter.detach() for name, parameter in trainer.model.trainable().items()},
        "optimizer": trainer.optimizer.state_dict(),
        "scheduler": trainer.lr_scheduler.state_dict(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(_local_parts(part), _path(folder))


@torch.no_grad()
def take_up_part(trainer: Trainer, folder: Path) -> None:
    """Continue with what :func:`store_part` wrote."""
    part = torch.load(_path(folder), map_location="cpu", weights_only=True)
    for name, parameter in trainer.model.trainable().items():
        _local(parameter).copy_(part["weights"][name])
    trainer.optimizer.load_state_dict(part["optimizer"])
    for parameter, state in trainer.optimizer.state.items():
        state.update({name: _like(parameter, value) for name, value in state.items()})
    trainer.lr_scheduler.load_state_dict(part["scheduler"])


@contextmanager
def _left_as_it_is() -> Iterator[None]:
    """Have accelerate neither cast nor compile in the block: a model says itself what it computes in bfloat16.

    A program's TrainingArguments with bf16 or torch_compile, and options of ``accelerate launch``, say otherwise in the
    environment, to all trainings in the process that come later.
    """
    before = {name: os.environ.get(name) for name in (PRECISION, COMPILER)}
    os.environ.update(dict.fromkeys(before, "no"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


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
        optim=OPTIMIZERS[settings.optimizer],
        **training_options(settings.warmup, by_length=not budget.balanced),
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


class _Trainer(Trainer):  # type: ignore[misc]  # transformers publishes no types
    """Trainer with class-balanced sampling, checkpoints of what is trained alone, optimisers that share no memory."""

    balanced = False

    def create_optimizer(self) -> Any:
        """Return the optimiser; of 8-bit ones, embeddings keep their moments in 32.

        bitsandbytes remembers those parameters for the whole process, by module and by position in the optimiser.
        At the same positions the next optimiser has other parameters, so this memory is emptied.
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
        if in_parts():  # with the optimiser's states
            return
        weights = {name: parameter.detach().contiguous() for name, parameter in self.model.trainable().items()}
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        save_file(weights, Path(output_dir) / WEIGHTS_FILE)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if in_parts():
            return
        self.model.load_state_dict(load_file(Path(resume_from_checkpoint) / WEIGHTS_FILE), strict=False)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if in_parts():
            store_part(self, Path(output_dir))
        else:
            super()._save_optimizer_and_scheduler(output_dir)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if in_parts() and checkpoint is not None:
            take_up_part(self, Path(checkpoint))
        else:
            super()._load_optimizer_and_scheduler(checkpoint)

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        if not self.balanced:
            return super()._get_train_sampler(train_dataset)
        return _BalancedSampler([row["labels"] for row in self.train_dataset], self.args.seed)


class _BalancedSampler(WeightedRandomSampler):
    """Draws, with replacement, as many rows as there are, each class as often as the others."""

    def __init__(self, labels: Sequence[int], seed: int) -> None:
        """Draw from rows with these labels."""
        classes = np.array(labels)
        weights = 1.0 / np.bincount(classes)[classes]
        super().__init__(weights.tolist(), len(labels), generator=torch.Generator())
        self.seed = seed
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Draw next what an epoch draws, counted from 0, also in a fit that was taken up again."""
        self.generator.manual_seed(self.seed)
        for _ in range(epoch):
            list(self)  # what the epochs before have drawn


def _path(folder: Path) -> Path:
    return folder / f"part-{processes.rank()}.pt"


def _local_parts(value: Any) -> Any:
    """Return nested states with what this process holds in the place of each tensor that is dealt out."""
    if isinstance(value, dict):
        return {name: _local_parts(inner) for name, inner in value.items()}
    return [_local_parts(inner) for inner in value] if isinstance(value, list) else _local(value)


def _local(value: Any) -> Any:
    return value.to_local() if isinstance(value, DTensor) else value


def _like(parameter: Tensor, value: Any) -> Any:
    """Return an optimiser state dealt out as ``parameter`` is; a state that is a single number is returned as it is."""
    if not isinstance(parameter, DTensor) or not isinstance(value, torch.Tensor) or value.dim() == 0:
        return value
    shape, stride = parameter.shape, parameter.stride()
    return DTensor.from_local(value, parameter.device_mesh, parameter.placements, shape=shape, stride=stride)
