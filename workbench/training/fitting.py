"""One fit() for every task and method: transformers' Trainer, the best epoch picked on the validation split.

A lesson is a fit from which an isolated adapter in the store comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from adapter_workbench.workbench.adapters.fit_record import FitRecord
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.files.scratch import scratch_folder
from adapter_workbench.workbench.machine import processes
from adapter_workbench.workbench.machine.lazy_imports import without_collection
from adapter_workbench.workbench.machine.package_versions import versions
from adapter_workbench.workbench.machine.processes import shards
from adapter_workbench.workbench.machine.sharding import apart_for_training, require_second_version
from adapter_workbench.workbench.machine.stopwatch import Stopwatch, sum_counts
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.method import FitHooks, FitLength, Method
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.sampling import draw
from adapter_workbench.workbench.methods.stored_model import describe, keep

if TYPE_CHECKING:
    from adapter_workbench.workbench.adapters.store import AdapterStore
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget, Optimizer


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
        InputError: classes are to be balanced, and the task has none; or the optimiser needs what is not here; or the
            weights are to be dealt out, and the method needs them whole.
        TrainingError: the loss or a validation score is not a finite number.
    """
    with without_collection():
        from transformers import set_seed  # these imports take seconds, and only a fit needs them

        from adapter_workbench.workbench.machine.memory import PeakMemory, freed_for_reuse
        from adapter_workbench.workbench.training.best_epoch import BestEpoch
        from adapter_workbench.workbench.training.gradient_checkpointing import checkpoint_layers, is_checkpointed
        from adapter_workbench.workbench.training.head_alone import frozen_body, read_ahead
        from adapter_workbench.workbench.training.hooks import HookCallback, with_penalty
        from adapter_workbench.workbench.training.trainer import trainer_of

    require_classes(budget, task.kind)
    require_optimizer(adaptation.settings.optimizer)
    require_sharding(adaptation, model)
    set_seed(seed)
    tokenizer = adaptation.backbone.tokenizer
    preparing, training = Stopwatch(), Stopwatch()
    steps = budget.updates(len(task.splits["train"]))
    with preparing:
        hooks = set_up(model, task, adaptation, budget, seed, FitLength(steps, steps // budget.epochs))
    if hooks is None:
        return _as_it_is(model, task, adaptation, budget)
    encoded = model.kind.encode(task.splits["train"], tokenizer, budget.max_length)
    scratch = scratch if hooks.resumable else None
    trained = sum(parameter.numel() for parameter in model.trainable().values())
    recomputes = is_checkpointed(adaptation, budget, task.max_new_tokens or 0, model.body)
    with (
        training,
        scratch_folder() as elsewhere,
        PeakMemory() as memory,
        freed_for_reuse(),
        apart_for_training(model) as learner,
        with_penalty(learner, hooks),
        checkpoint_layers(learner.body, recomputes),
        frozen_body(learner, adaptation),
        listener.fit(label, steps) as advance,
    ):
        keeper = BestEpoch(
            learner, task, adaptation, budget, advance, training, keep=scratch is not None, settles=hooks.settles
        )
        rows, collate = read_ahead(learner, adaptation.backbone, encoded)
        trainer = trainer_of(learner, adaptation, budget, seed, scratch or elsewhere, rows, collate)
        trainer.add_callback(HookCallback(hooks, learner))
        trainer.add_callback(keeper)
        last = keeper.resume(scratch, listener.say) if scratch else None
        if not keeper.is_over:
            trainer.train(resume_from_checkpoint=last)
        keeper.restore()
    with training:
        hooks.finish()
    return FitRecord(
        epochs=tuple(keeper.epochs),
        best_epoch=keeper.best.epoch,
        validation=keeper.best.validation,
        steps=keeper.steps,
        seconds=preparing.seconds + training.seconds,
        peak_memory_mb=memory.peak_mb,
        trainable_parameters=trained,
        checkpointed=recomputes,
        validation_examples=len(task.splits["validation"]),
        train_examples=len({*task.splits["train"]["id"][:]}),
        spent=sum_counts(preparing.spent, training.spent),
    )


def set_up(
    model: TaskModel, task: Task, adaptation: Adaptation, budget: Budget, seed: int, length: FitLength
) -> FitHooks | None:
    """Make ``model`` what the steps of a fit find, and return the method's hooks; None where there is nothing to train.

    Raises:
        InputError: the method cannot take from the training examples what it needs.
    """
    card = adaptation.card
    if card.prepare:
        card.prepare(adaptation.settings, model, task, adaptation.backbone.tokenizer, budget, seed)
    if not model.trainable() or not len(task.splits["train"]):
        return None
    return card.hooks(adaptation.settings, model.body, length)


def require_classes(budget: Budget, kind: str, where: str | None = None) -> None:
    """Make sure that tasks of a ``kind`` have the classes that a budget balances, if it does.

    Raises:
        InputError: they do not.
    """
    if budget.balanced and KINDS.get(kind).target != "label":
        raise InputError(f"{kind} has no classes to balance", where=where, hint="Leave budget.balanced out.")


def require_optimizer(optimizer: Optimizer, where: str | None = None) -> None:
    """Make sure that an optimiser works on this machine.

    Raises:
        InputError: it does not.
    """
    if not optimizer.startswith("paged"):
        return
    import torch

    if not torch.cuda.is_available():
        message = f"{optimizer} needs a GPU: it moves its states between the GPU's memory and the processor's"
        raise InputError(message, where=where, hint="Take adamw-8bit: its states are as small, and it needs no GPU.")


def require_sharding(adaptation: Adaptation, model: TaskModel | None = None) -> None:
    """Make sure that a fit can be made on weights that are dealt out over processes, where they are.

    Args:
        adaptation: what is fitted.
        model: that is to be trained, if it is in memory already.

    Raises:
        InputError: it cannot: something reads or changes whole weights between the steps, or packs them.
    """
    if not shards():
        return
    require_second_version()
    why = None
    if adaptation.backbone.quantization:
        why = f"{adaptation.backbone.name!r} is quantised"
    elif adaptation.settings.optimizer != "adamw":
        why = f"{adaptation.settings.optimizer} packs its states"
    elif adaptation.card.hooks is not Method.hooks:
        why = f"{adaptation.method} does more than gradient steps"
    elif model is not None and (model.penalty or model.correction):
        why = "this strategy compares the weights with others"
    if why:
        hint = "Leave --use_fsdp out: then every process holds all weights, and the processes share the batches."
        raise InputError(f"the weights cannot be shared out over processes: {why}", where="--use_fsdp", hint=hint)


class Teachable(Protocol):
    """What gives one adapter: a :class:`Lesson`, or one that begins at an adapter that exists."""

    @property
    def task(self) -> Task:
        """The task, whole."""

    @property
    def adaptation(self) -> Adaptation:
        """The method on the backbone."""

    @property
    def budget(self) -> Budget:
        """Of the fit."""

    @property
    def seed(self) -> int:
        """Of every random choice."""

    @property
    def key(self) -> str:
        """Digest of everything that determines the adapter."""

    @property
    def adapter_id(self) -> str:
        """The id under which the adapter is stored."""

    def learn(self, store: AdapterStore, listener: Listener, label: str, scratch: Path | None = None) -> StoredAdapter:
        """Return the adapter from the store, or train it: see :func:`learn`."""


@dataclass(frozen=True)
class Lesson:
    """One task to be learned: everything that determines the adapter which comes of it."""

    task: Task
    adaptation: Adaptation
    budget: Budget
    seed: int

    @property
    def key(self) -> str:
        """SHA-256 over all of it: equal keys, equal adapters."""
        return key(
            {
                "task": self.task.fingerprint,
                "backbone": self.adaptation.backbone.identity,
                "pooling": self.adaptation.backbone.pooling,
                "method": METHODS.identity(self.adaptation.method, self.adaptation.settings),
                "settings": self.adaptation.settings.model_dump(mode="json"),
                "precision": self.adaptation.precision,
                "budget": self.budget.model_dump(mode="json"),
                "seed": self.seed,
                "processes": processes.sharing(),
                "versions": versions(),
            }
        )

    @property
    def adapter_id(self) -> str:
        """``task-method-`` and the beginning of the key."""
        return f"{self.task.name}-{self.adaptation.method}-{self.key[:8]}"

    def learn(self, store: AdapterStore, listener: Listener, label: str, scratch: Path | None = None) -> StoredAdapter:
        """Return the adapter from the store, or train it: see :func:`learn`."""
        return learn(self, store, listener, label, scratch)


def learn(
    lesson: Lesson, store: AdapterStore, listener: Listener, label: str, scratch: Path | None = None
) -> StoredAdapter:
    """Return the adapter that ``lesson`` gives; it is trained only if the store does not hold it yet.

    ``scratch`` is for checkpoints of a fit that takes long.

    Raises:
        TrainingError: the fit failed.
        IntegrityError: the method changed the backbone although it says that it does not.
    """
    if lesson.adapter_id in store:
        return store.verify(lesson.adapter_id)
    model, record = teach(lesson, listener, label, scratch)
    manifest = describe(lesson.adapter_id, lesson.task, lesson.adaptation, lesson.budget, lesson.seed, record)
    return keep(model, lesson.adaptation, manifest, store)


def teach(lesson: Lesson, listener: Listener, label: str, scratch: Path | None = None) -> tuple[TaskModel, FitRecord]:
    """Return the model that ``lesson`` gives, and how the fit went; nothing is stored.

    Raises:
        TrainingError: the fit failed.
    """
    require_sharding(lesson.adaptation)
    task, adaptation = draw(lesson.task, lesson.budget, lesson.seed), lesson.adaptation
    model = adaptation.fresh(task.kind, len(task.labels), lesson.seed)
    return model, fit(model, task, adaptation, lesson.budget, lesson.seed, listener, label, scratch)


def _as_it_is(model: TaskModel, task: Task, adaptation: Adaptation, budget: Budget) -> FitRecord:
    """Return the record of a model that has nothing to train, or nothing to learn from: its validation score."""
    from adapter_workbench.workbench.answering.evaluation import evaluate_split
    from adapter_workbench.workbench.machine.memory import PeakMemory

    with PeakMemory() as memory, Stopwatch() as clock:
        evaluation = evaluate_split(model, task, "validation", adaptation.backbone, budget.max_length)
    score, examples = evaluation.scores[model.kind.metric], len(evaluation.outcomes)
    return FitRecord(
        (), 0, score, 0, evaluation.seconds, memory.peak_mb, 0, validation_examples=examples, spent=clock.spent
    )
