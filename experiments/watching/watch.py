"""One training while it is watched: its model is measured, numbers are logged, the record grows."""

from __future__ import annotations

import copy
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from adapter_workbench.experiments.studies.stream.plan.examination import GENERAL_TEXT
from adapter_workbench.experiments.studies.stream.plan.measurable import general_text
from adapter_workbench.experiments.studies.watched.record import WatchedStage
from adapter_workbench.experiments.watching.measuring import Size, answered, measure
from adapter_workbench.experiments.watching.recording import Recording, facts
from adapter_workbench.experiments.watching.settings import WHERE, WatchSettings
from adapter_workbench.experiments.watching.trainer_log import log, trainer_name
from adapter_workbench.experiments.workspace import find_workspace
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.answering.live_model import LiveModel, LiveParts, own_output, undisturbed
from adapter_workbench.workbench.errors import InputError, WorkbenchError
from adapter_workbench.workbench.measures.paired_scores import chance_of_more
from adapter_workbench.workbench.measures.statistics import finite, holm
from adapter_workbench.workbench.measures.verdicts import LEVEL
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.probes.general_loss import causal_rows, mean_loss

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from adapter_workbench.experiments.watching.measuring import WatchedTask
    from adapter_workbench.workbench.answering.evaluation import Evaluation
    from adapter_workbench.workbench.answering.live_model import OwnOutput

logger = logging.getLogger("adapter_workbench")
TEXTS = 128  # as many as probes of a recipe read
GENERATED = "causal-lm"


# How well the model in training predicts general text that is none of its tasks.


@dataclass(frozen=True)
class TextLoss:
    """General text as a model reads it."""

    rows: tuple[dict[str, Any], ...]  # encoded
    head: OwnOutput  # the model's own output layer
    pad: int  # the token that fills rows up

    @classmethod
    def of(cls, parts: LiveParts, tokenizer: Any, max_length: int) -> TextLoss:
        """Read the text.

        Raises:
            InputError: the model is not a causal language model, or the text cannot be had.
        """
        head = own_output(parts)
        return cls(tuple(causal_rows(tokenizer, read_text(), max_length)), head, tokenizer.pad_token_id)

    def measure(self, parts: LiveParts) -> float:
        """Return the mean cross-entropy of a token, in nats; the model has to be in evaluation mode."""
        model = LiveModel(parts, self.head, KINDS.get(GENERATED)).eval()
        return mean_loss(model, self.head, [*self.rows], self.pad)


def read_text() -> tuple[str, ...]:
    """Return the texts that ``workbench examine`` takes the loss on."""
    return general_text(registry.load(registry.find(GENERAL_TEXT)), TEXTS)


@dataclass
class Watch:
    """A training, its model, and what was measured of it."""

    settings: WatchSettings  # what a person asked for
    model: Any  # in training, as the trainer has it
    parts: LiveParts  # of it
    tokenizer: Any  # of its texts, a copy
    tasks: tuple[WatchedTask, ...]  # with what answers each
    recording: Recording  # the record; it is no longer written where that failed
    looks: int | None  # how often the model will be measured after its beginning; None where nobody knows
    since: float  # when the training went on after the last stage
    before: dict[str, pd.Series] = field(default_factory=dict)
    stages: list[WatchedStage] = field(default_factory=list)
    writes: bool = True
    text: TextLoss | None = None  # general text, where the loss on it is measured

    @classmethod
    def begin(
        cls, settings: WatchSettings, model: Any, tokenizer: Any, args: Any, state: Any, workspace: Path | None
    ) -> Watch:
        """Read the tasks' rows, and begin the record, or go on with it where the training is resumed.

        Raises:
            InputError: a task cannot be measured on this model, or the record cannot be written.
        """
        looks = settings.looks(args, state)
        if looks is None and settings.max_forgetting is not None:
            hint = "Measure after a number of steps, as with every=100, or leave max_forgetting out."
            raise InputError("max_forgetting needs to know how often it will be tested", where=WHERE, hint=hint)
        parts = LiveParts.of(model, _arithmetic(args))
        tasks = [registry.load(spec) for spec in settings.tasks]
        size, reader = Size(settings.rows, settings.head_rows, settings.max_length), _usable(tokenizer)
        with undisturbed(model):
            watched = tuple(answered(tasks, parts, settings.own, size))
            text = TextLoss.of(parts, reader, settings.max_length) if settings.text_loss else None
        about = facts(
            watched,
            backbone=str(getattr(parts.body.config, "name_or_path", "") or type(parts.whole).__name__),
            seeds=[args.seed],
            trainer=trainer_name(),
            every=str(settings.every),
            max_forgetting=settings.max_forgetting,
            looks=looks,
            rows=settings.rows,
            head_rows=settings.head_rows,
            max_length=settings.max_length,
        )
        recording = Recording.begin(
            find_workspace(workspace), settings.name_for(args.output_dir), about, state.global_step, logger.warning
        )
        watch = cls(settings, model, parts, reader, watched, recording, looks, time.perf_counter(), text=text)
        if recording.stages:
            watch.before, watch.stages = recording.examples(0), [*recording.stages]
        return watch

    def look(
        self, calling: Any, args: Any, state: Any, control: Any, stops: bool = True, put_back: bool = False
    ) -> None:
        """Measure all tasks; log, record, and stop the training where it has forgotten too much.

        Args:
            calling: the handler of the trainer's callbacks.
            args: of the trainer.
            state: of the trainer.
            control: of the trainer.
            stops: whether the training may be stopped.
            put_back: whether the training is at its end, and the model has the weights of an earlier step.
        """
        began = time.perf_counter()
        trained = began - self.since + (self.stages[-1].training_seconds if self.stages else 0.0)
        evaluations, failed = self._measure()
        text_loss = self._text_loss(failed)
        now = {task: _examples(evaluation) for task, evaluation in evaluations.items()}
        lost_too_much: tuple[str, ...] = ()
        if not self.stages:
            self.before, trained = now, 0.0
        elif stops and not put_back and self.looks and self.settings.max_forgetting is not None:
            lost_too_much = beyond(self.before, now, self.settings.max_forgetting / 100, self.looks)
        scores = {task: evaluation.scores[self._metric(task)] for task, evaluation in evaluations.items()}
        seconds = time.perf_counter() - began
        stage = WatchedStage(
            step=state.global_step,
            epoch=float(state.epoch or 0.0),
            scores=scores,
            evaluations={},
            seconds=seconds,
            training_seconds=trained,
            put_back=put_back,
            beyond=lost_too_much,
            bound=self.settings.max_forgetting if lost_too_much else None,
            failed=failed,
            text_loss=text_loss,
        )
        self._record(stage, evaluations)
        log(calling, self._numbers(), args, state, control)
        if lost_too_much:
            named = ", ".join(lost_too_much)
            logger.warning(
                "The training is stopped at step %d: more than %g points were lost on %s (workbench report %s)",
                *(state.global_step, self.settings.max_forgetting, named, self.recording.name),
            )
            control.should_training_stop = True
        self.since = time.perf_counter()

    def close(self) -> None:
        """Say in the record that the training has come to its end."""
        if self.writes:
            self._tried(self.recording.finish)
        share = self._numbers()["eval_measuring_share"]
        logger.info("Measuring took %.0f %% of the time: workbench report %s", 100 * share, self.recording.name)

    def _measure(self) -> tuple[dict[str, Evaluation], dict[str, str]]:
        """Return each task's evaluation, and why a task has none.

        Raises:
            WorkbenchError: a task cannot be measured before the training.
        """
        evaluations, failed = {}, {}
        with undisturbed(self.model):
            for watched in self.tasks:
                name = watched.task.name
                try:
                    evaluations[name] = measure(watched, self.parts, self.tokenizer, self.settings.max_length)
                except WorkbenchError as error:
                    if not self.stages:
                        raise
                    failed[name] = error.what
                    logger.warning("%s was not measured: %s", name, error)
        return evaluations, failed

    def _text_loss(self, failed: dict[str, str]) -> float | None:
        """Return the mean loss of a token of general text; None where it is not measured, or is not a number."""
        if self.text is None:
            return None
        with undisturbed(self.model):
            loss = finite(self.text.measure(self.parts))
        if loss is None:
            failed[GENERAL_TEXT] = "its loss is not a finite number"
            logger.warning("The loss on general text is not a finite number: the model has diverged.")
        return loss

    def _record(self, stage: WatchedStage, evaluations: Mapping[str, Evaluation]) -> None:
        if not self.stages:
            self.stages.append(self.recording.add(stage, evaluations))
            return
        self.stages.append(stage)
        if self.writes:
            self._tried(lambda: self.recording.add(stage, evaluations))

    def _tried(self, write: Any) -> None:
        """Write to the record; where that fails, say so once and let the training go on."""
        try:
            write()
        except (WorkbenchError, OSError) as error:  # a full disk too: the training is worth more than its record
            self.writes = False
            logger.warning("The record is no longer written: %s", error)

    def _metric(self, task: str) -> str:
        return next(KINDS.get(watched.task.kind).metric for watched in self.tasks if watched.task.name == task)

    def _numbers(self) -> dict[str, float]:
        """Return what is logged of the last stage."""
        first, last = self.stages[0], self.stages[-1]
        numbers = {f"eval_{task}/score": score for task, score in last.scores.items()}
        if last is not first:
            both = [task for task in last.scores if task in first.scores]
            numbers |= {f"eval_{task}/lost_points": 100 * (first.scores[task] - last.scores[task]) for task in both}
        numbers |= {} if last.text_loss is None else {"eval_text_loss": last.text_loss}
        spent = sum(stage.seconds for stage in self.stages)
        share = spent / (spent + last.training_seconds) if last.training_seconds else 0.0
        return {**numbers, "eval_measuring_seconds": last.seconds, "eval_measuring_share": share}


def _examples(evaluation: Evaluation) -> pd.Series:
    """Return the score of each test example by its id."""
    column = "score" if "score" in evaluation.outcomes else "correct"
    return evaluation.outcomes.set_index("id")[column].astype(float).sort_index()


def _arithmetic(args: Any) -> torch.dtype | None:
    """Return in which arithmetic a trainer multiplies, where it is not that of the weights."""
    return torch.bfloat16 if args.bf16 else torch.float16 if args.fp16 else None


def _usable(tokenizer: Any) -> Any:
    """Return a copy of a tokenizer, or of that of a processor; it pads with its end token where it has no other.

    Raises:
        InputError: there is none.
    """
    tokenizer = getattr(tokenizer, "tokenizer", tokenizer)
    if tokenizer is None:
        hint = f"Give the trainer a processing_class, or {WHERE} a tokenizer."
        raise InputError("the trainer has no tokenizer", where=WHERE, hint=hint)
    own = copy.deepcopy(tokenizer)
    if own.pad_token is None:
        own.pad_token = own.eos_token
    return own


# Whether a training has forgotten more than it may, at a known error rate.


def beyond(before: Mapping[str, pd.Series], now: Mapping[str, pd.Series], bound: float, looks: int) -> tuple[str, ...]:
    """Return the tasks that have lost more than ``bound``.

    One-sided tests over the test examples, adjusted by Holm over the tasks and by Bonferroni over the looks: a training
    that loses no more than the bound on any task is stopped with a chance of 5 % at most, at all its looks together.

    Args:
        before: task → the score of each test example before the training, by its id.
        now: the same at this stage.
        bound: a share, in [0, 1).
        looks: how often the training is looked at, this time included.
    """
    tasks = [task for task in now if task in before]
    pairs = [(before[task].to_numpy(), now[task].loc[before[task].index].to_numpy()) for task in tasks]
    adjusted = holm([chance_of_more(*pair, bound) for pair in pairs])
    return tuple(task for task, p in zip(tasks, adjusted, strict=True) if p is not None and looks * p < LEVEL)
