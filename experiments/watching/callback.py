"""A callback of transformers' Trainer, and of all that are made of it, that measures what the model forgets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from adapter_workbench.experiments.watching.settings import WHERE, WatchSettings
from adapter_workbench.experiments.watching.trainer_log import handler
from adapter_workbench.experiments.watching.watch import Watch
from adapter_workbench.workbench.answering.live_model import LATER
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from adapter_workbench.experiments.watching.settings import Every


class ForgettingCallback(TrainerCallback):  # type: ignore[misc]  # transformers publishes no types
    """Measures tasks on the model in training: before it, and each epoch, save or N steps.

    ::

        Trainer(..., callbacks=[ForgettingCallback(tasks=["bbc-news", "reuters-r8"], max_forgetting=2.0)])

    The model is asked where it is, in evaluation mode; nothing is copied, and afterwards the training goes on with the
    same numbers as without the callback. Scores and lost points are logged by the trainer, so that every tracker which
    it reports to has them, and ``workbench report NAME`` shows the record: stages × tasks, what was lost with intervals
    over examples, and which share of the time the measuring took.

    A ``causal-lm`` task is answered in the model's own words. A ``classification`` is answered by the model's own head,
    where that has its labels, else by a head fitted anew at each stage on the features of the task's training examples.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        every: Every = "epoch",
        max_forgetting: float | None = None,
        *,
        name: str | None = None,
        rows: int = 200,
        head_rows: int = 256,
        max_length: int = 128,
        own: str | None = None,
        text_loss: bool = False,
        tokenizer: Any = None,
        workspace: Path | None = None,
        task_folders: Sequence[Path] | None = None,
    ) -> None:
        """Check what is asked; no row is read yet.

        Args:
            tasks: names of tasks, those of ``workbench tasks list``.
            every: ``epoch``, ``save`` (whenever a checkpoint is written) or a number of optimiser steps.
            max_forgetting: points; the training is stopped after a stage at which a task has lost more than that: a
                one-sided test over examples, adjusted by Holm over the tasks and by Bonferroni over all planned stages.
                None never stops.
            name: of the record; by default that of the trainer's ``output_dir``.
            rows: test examples of each task; fewer where it has fewer.
            head_rows: training examples on which a head is fitted.
            max_length: tokens that are read of a text, and for generated answers those of prompt and answer together.
            own: the task that the model's own head answers; by default the one whose labels the head names, where
                there is only one. A head with the names ``LABEL_0``, ``LABEL_1``, … has its labels in the task's order.
            text_loss: whether the mean loss per token on general text (excerpts of books) is measured too; for causal
                language models.
            tokenizer: by default the trainer's ``processing_class``.
            workspace: where the record is written; as ``--workspace``.
            task_folders: where task files lie; as ``--tasks``.

        Raises:
            SettingsError: all that is wrong with the arguments, in one message.
        """
        self.settings = WatchSettings.of(
            tasks,
            task_folders,
            every=every,
            max_forgetting=max_forgetting,
            name=name,
            rows=rows,
            head_rows=head_rows,
            max_length=max_length,
            own=own,
            text_loss=text_loss,
        )
        self._tokenizer, self._workspace = tokenizer, workspace
        self._watch: Watch | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Measure the model before the training.

        Raises:
            InputError: several processes train, or a task cannot be measured on this model; nothing was trained.
        """
        if args.world_size > 1:
            hint = f"Train in one process. {LATER}"
            raise InputError(f"{args.world_size} processes train, and one cannot stop all", where=WHERE, hint=hint)
        tokenizer = self._tokenizer or kwargs.get("processing_class")
        self._watch = Watch.begin(self.settings, kwargs["model"], tokenizer, args, state, self._workspace)
        if not self._watch.stages:
            self._watch.look(handler(), args, state, control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Measure, if that is when."""
        self._look(self.settings.every == "epoch", args, state, control)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Measure, if that is when."""
        self._look(self.settings.every == "save", args, state, control)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Measure, if that is when."""
        every = self.settings.every
        self._look(isinstance(every, int) and state.global_step % every == 0, args, state, control)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Measure what came out, if that was not measured yet, and close the record."""
        watch = self._watch
        if watch and _put_back(args, state):
            watch.look(handler(), args, state, control, put_back=True)
        elif watch and watch.stages[-1].step != state.global_step:
            watch.look(handler(), args, state, control, stops=False)
        if watch:
            watch.close()
        self._watch = None  # it holds the model

    def _look(self, due: bool, args: Any, state: Any, control: Any) -> None:
        if due and self._watch:
            self._watch.look(handler(), args, state, control)


def _put_back(args: Any, state: Any) -> bool:
    """Return whether a trainer has put back, at its end, other weights than those of its last step."""
    best = args.load_best_model_at_end and state.best_model_checkpoint
    return bool(best) and state.best_global_step != state.global_step
