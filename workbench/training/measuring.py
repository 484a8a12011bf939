"""What an adaptation costs, measured: memory of the training step alone, time per token, time per answer.

How it is measured. The step is that of a fit (the same Trainer, optimiser and clipping, and what the method does
before the first step, around each and after the last) on one batch of the task's longest training texts, so that the
memory is the highest that a fit meets. A first step brings weights and library code into memory; then the optimiser's
states are dropped. Memory is the peak of the two steps after it (the states come into being at the end of the first),
less what the process held before them. All three are made in a thread of their own, and the C library is told to give
freed blocks back at once, so that neither what was there before nor what it keeps for later is counted. The steps after
these are timed, with the C library as it always is. Each timing is the median of several repetitions after a warm-up;
the forward passes of the adapted model and of the bare backbone take turns, so that what else the machine does falls on
both. Demonstrations are read by the adapted model alone.

To a method the steps made here are a fit with as many epochs of one step. Where steps change as a fit goes on
(``adalora``, ``diff-pruning``, ``partial`` with ``unfreeze: gradual``), memory is that of the first steps, and time
that of the later ones. The step of ``head`` runs the body, which a fit mostly does once a text.
"""

from __future__ import annotations

import time
from itertools import count
from statistics import median
from typing import TYPE_CHECKING, Any

import torch

from adapter_workbench.workbench.backbone.batching import IGNORED, to_device_of
from adapter_workbench.workbench.backbone.bf16_matrices import widen
from adapter_workbench.workbench.files.scratch import scratch_folder
from adapter_workbench.workbench.machine.memory import PeakMemory, freed_at_once, release, run_in_thread
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.library import Merges
from adapter_workbench.workbench.methods.method import FitLength
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.sampling import draw
from adapter_workbench.workbench.training.fitting import set_up
from adapter_workbench.workbench.training.measured_cost import MeasuredCost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from datasets import Dataset
    from torch import Tensor, nn

    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.methods.kind import Kind
    from adapter_workbench.workbench.methods.method import FitHooks
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget

WARM_UP, REPETITIONS = 1, 5
FOR_MEMORY = 3  # steps before those that are timed
READ = ("input_ids", "attention_mask", "token_type_ids")  # of a batch, by the body
CANDIDATES = 16  # the longest texts are looked for among so many batches

Batch = dict[str, "Tensor"]


def measure(adaptation: Adaptation, task: Task, budget: Budget) -> MeasuredCost:
    """Measure ``adaptation`` on batches of ``task``, as ``budget`` makes them; nothing is kept of what was trained.

    Raises:
        InputError: the method cannot work on this backbone for this kind of task.
    """
    from adapter_workbench.workbench.training.gradient_checkpointing import checkpoint_layers, is_checkpointed
    from adapter_workbench.workbench.training.hooks import with_penalty
    from adapter_workbench.workbench.training.trainer import (
        trainer_of,  # takes seconds, which whoever measures nothing need not wait
    )

    with torch.random.fork_rng(devices=[]), scratch_folder() as folder:
        model = adaptation.fresh(task.kind, len(task.labels), seed=0)
        length = FitLength(FOR_MEMORY + WARM_UP + REPETITIONS, epoch=1)
        hooks = set_up(model, draw(task, budget, seed=0), adaptation, budget, 0, length)
        rows = _longest(model, task, adaptation, budget)
        trainer: Any = trainer_of(model, adaptation, budget, 0, folder, rows)
        device = trainer.args.device
        batch = to_device_of(model, trainer.data_collator(rows))
        with checkpoint_layers(model.body, is_checkpointed(adaptation, budget, task.max_new_tokens or 0, model.body)):
            if hooks is None:
                step = _NOTHING
            else:
                with with_penalty(model, hooks):
                    step = _step(model, trainer, batch, hooks)
                hooks.finish()
        tokens = int(batch["attention_mask"].sum())
        asked, kind = task.splits["test"], KINDS.get(task.kind)
        texts, plain = (
            to_device_of(model, trainer.data_collator(_questions(posed, asked, adaptation, budget)))
            for posed in (model.kind, kind)
        )
        bare = _with_body(model, adaptation.backbone.load(precision=adaptation.precision))
        adapted_seconds, bare_seconds = _in_turns(lambda: _answer(model, texts), lambda: _answer(bare, plain))
        merged = _merged_seconds(model, adaptation, texts)
        examples = len(texts["input_ids"])
    return MeasuredCost(
        device=device.type,
        repetitions=REPETITIONS,
        tokens=tokens,
        before_mb=step["before_mb"],
        peak_mb=step["peak_mb"],
        forward_seconds_per_token=_share(step["forward"], tokens),
        backward_seconds_per_token=_share(step["backward"], tokens),
        update_seconds=step["update"],
        inference_ms=1000 * adapted_seconds / examples,
        bare_inference_ms=1000 * bare_seconds / examples,
        merged_inference_ms=None if merged is None else 1000 * merged / examples,
        texts=len(rows),
        length=batch["input_ids"].shape[1],
        label_tokens=int((batch["labels"] != IGNORED).sum()) if task.kind in GENERATED else 0,
    )


_NOTHING: Mapping[str, float | None] = dict.fromkeys(("before_mb", "peak_mb", "forward", "backward", "update"))


def _step(model: TaskModel, trainer: Any, batch: Batch, hooks: FitHooks) -> Mapping[str, float | None]:
    """Return memory in MB and the median seconds of a step's parts."""
    optimizer, largest_norm, done = trainer.create_optimizer(), trainer.args.max_grad_norm, count()

    def timed_step() -> tuple[float, float, float]:
        return _timed_step(model, optimizer, batch, largest_norm, hooks, next(done))

    model.train()
    memory = run_in_thread(lambda: _memory(optimizer, timed_step))
    steps = [timed_step() for _ in range(WARM_UP + REPETITIONS)]
    model.eval()
    phases = zip(("forward", "backward", "update"), zip(*steps[WARM_UP:], strict=True), strict=True)
    seconds = {name: median(values) for name, values in phases}
    return {"before_mb": memory.before_mb, "peak_mb": memory.peak_mb, **seconds}


def _memory(optimizer: Any, step: Callable[[], object]) -> PeakMemory:
    """Return the memory of the steps after the first; that one creates the optimiser's states."""
    with freed_at_once():
        step()
        optimizer.state.clear()
        release()
        with PeakMemory() as memory:
            for _ in range(FOR_MEMORY - 1):
                step()
    return memory


def _timed_step(
    model: TaskModel, optimizer: Any, batch: Batch, largest_norm: float, hooks: FitHooks, done: int
) -> tuple[float, float, float]:
    """Make a step after ``done`` others; return the seconds of its forward pass, its backward pass, and all else."""
    before = _now()
    hooks.before_step(done)
    began = _now()
    loss = model(**batch)["loss"]
    forwarded = _now()
    loss.backward()
    backwarded = _now()
    torch.nn.utils.clip_grad_norm_(model.trainable().values(), largest_norm)
    hooks.before_update(done)
    optimizer.step()
    hooks.after_step(done + 1)
    optimizer.zero_grad()
    return forwarded - began, backwarded - forwarded, _now() - backwarded + began - before


def _longest(model: TaskModel, task: Task, adaptation: Adaptation, budget: Budget) -> list[dict[str, Any]]:
    """Return one batch of encoded training rows: the longest of the first few batches."""
    rows = task.splits["train"]
    rows = rows.select(range(min(len(rows), CANDIDATES * budget.batch_size)))
    encoded = model.kind.encode(rows, adaptation.backbone.tokenizer, budget.max_length)
    return sorted(encoded, key=lambda row: -len(row["input_ids"]))[: budget.batch_size]


def _questions(kind: Kind, rows: Dataset, adaptation: Adaptation, budget: Budget) -> list[dict[str, Any]]:
    """Return the first rows, as many as a batch has, without their answers."""
    rows = rows.select(range(min(len(rows), budget.batch_size)))
    return kind.questions(rows, adaptation.backbone.tokenizer, budget.max_length)


def _merged_seconds(model: TaskModel, adaptation: Adaptation, texts: Batch) -> float | None:
    """Return the seconds of a forward pass after the update was written into the weights, where that can be."""
    if adaptation.backbone.quantization or not isinstance(adaptation.library, Merges):
        return None  # merging into few bits would round the update away
    body = adaptation.library.merge(widen(model.body))
    if body is None:
        return None
    merged = _with_body(model, body)
    (seconds,) = _in_turns(lambda: _answer(merged, texts))
    return seconds


def _with_body(model: TaskModel, body: nn.Module) -> TaskModel:
    return TaskModel(body, model.head, model.kind, model.pooling, model.precision)


@torch.inference_mode()
def _answer(model: TaskModel, texts: Batch) -> None:
    model.eval()
    model.states(**{name: tensor for name, tensor in texts.items() if name in READ})


def _in_turns(*works: Callable[[], None]) -> list[float]:
    """Return the median seconds of each of ``works``, which take turns."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(WARM_UP + REPETITIONS):
        for work, durations in zip(works, seconds, strict=True):
            began = _now()
            work()
            durations.append(_now() - began)
    return [median(durations[WARM_UP:]) for durations in seconds]


def _now() -> float:
    """Return the time when all that the device was given is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def _share(seconds: float | None, tokens: int) -> float | None:
    return None if seconds is None else seconds / tokens
