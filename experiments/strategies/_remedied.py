"""A remedy as a strategy of a stream: shared weights learn task after task; each fit gives the remedy its moments."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from adapter_workbench.experiments.strategies._fisher import evidence
from adapter_workbench.experiments.strategies._shared import SharedWeights
from adapter_workbench.workbench.backbone.batching import in_batches, to_device_of
from adapter_workbench.workbench.methods.model import BESIDE
from adapter_workbench.workbench.training.remedy import ForwardPass, Learner, Remedy, Rows
from adapter_workbench.workbench.training.remedy_state import FOLDER, read_state, write_state

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.workbench.methods.model import Batch, Correction, Penalty
    from adapter_workbench.workbench.training.remedy import RemedyState, Row


class Remedied(SharedWeights):
    """Its state is that of sequential, and what the remedy keeps (``forgetting-state``)."""

    disposable: tuple[str, ...] = ("body", FOLDER)

    def remedy(self, settings: Any, strength: float | None) -> Remedy:
        """Return the remedy; ``strength`` is the one of its penalty that is tried, None at its other moments."""
        raise NotImplementedError

    def state_before(self, stage: Stage) -> RemedyState | None:
        """Return what the remedy kept of the tasks before."""
        folder, name = stage.state.folder, self.remedy(stage.context.settings, None).name
        return read_state(folder / FOLDER, name) if folder and (folder / FOLDER).exists() else None

    def store(self, state: RemedyState, remedy: Remedy, folder: Path) -> None:
        """Write what the remedy keeps into the new state's ``folder``."""
        write_state(state, remedy.name, folder / FOLDER)

    def prepare(self, stage: Stage) -> None:
        """Begin the task."""
        self._begun(stage)

    def penalty(self, stage: Stage, strength: float) -> Penalty:
        """Return what the remedy adds to the loss."""
        return penalty_of(self.remedy(stage.context.settings, strength), stage, self._begun(stage))

    def correction(self, stage: Stage) -> Correction | None:
        """Return what the remedy does with gradients; None where it leaves them alone."""
        remedy = self.remedy(stage.context.settings, None)
        if type(remedy).on_gradients is Remedy.on_gradients:
            return None
        return partial(remedy.on_gradients, learner_of(stage), self._begun(stage))

    def finish(self, stage: Stage) -> None:
        """Make the model an ordinary one again."""
        self.remedy(stage.context.settings, None).release(learner_of(stage))

    def remember(self, stage: Stage, folder: Path) -> None:
        """End the task."""
        remedy = self.remedy(stage.context.settings, None)
        if state := remedy.after_task(learner_of(stage), self._begun(stage)):
            self.store(state, remedy, folder)

    def _begun(self, stage: Stage) -> RemedyState | None:
        """Return what the task's steps need; it is taken once, before the first of them."""
        if not stage.begun:
            remedy, before = self.remedy(stage.context.settings, None), self.state_before(stage)
            remedy.before_optimizer(learner_of(stage), before)
            stage.begun["state"] = remedy.before_task(learner_of(stage), before)
        state: RemedyState | None = stage.begun["state"]
        return state


def learner_of(stage: Stage, body: nn.Module | None = None) -> Learner:
    """Return what a remedy sees of a stage; ``body`` is the one in training where that is not the stage's own."""
    context = stage.context
    backbone, length = context.adaptation.backbone, context.budget.max_length

    def drawn(count: int) -> Any:
        return evidence(stage.model, stage.own_head, stage.task, backbone, length, count, context.seed)

    return Learner(body or stage.model.body, drawn, rows_of(stage), whole=stage.model)


def penalty_of(remedy: Remedy, stage: Stage, state: RemedyState | None) -> Penalty:
    """Return what a remedy adds to the loss of each batch of a stage."""

    def of(batch: Batch) -> Tensor:
        learner = learner_of(stage, batch.model.body)
        forward = ForwardPass(lambda: batch.model.head(batch.read), batch.loss, batch.remembered)
        added = [remedy.penalty(learner, state), remedy.after_forward(learner, state, forward)]
        return sum([part for part in added if part is not None], start=batch.loss.new_zeros(()))

    return of


def rows_of(stage: Stage) -> Rows:
    """Return what a stage trains on."""
    model, budget, seed = stage.model, stage.context.budget, stage.context.seed
    tokenizer, size = stage.context.adaptation.backbone.tokenizer, budget.batch_size
    collate = model.kind.collate(tokenizer)

    def own() -> list[dict[str, Any]]:
        return model.kind.encode(stage.task.splits["train"], tokenizer, budget.max_length)

    def loss(rows: Sequence[Row]) -> Iterator[Tensor]:
        penalty, model.penalty = model.penalty, None
        try:
            for start in range(0, len(rows), size):
                part: list[Any] = [*rows[start : start + size]]
                yield model(**to_device_of(model, collate(part)))["loss"] * (len(part) / len(rows))
        finally:
            model.penalty = penalty

    def call(_: list[int], batch: dict[str, Tensor]) -> Tensor:
        inputs = {name: tensor for name, tensor in batch.items() if name not in BESIDE}
        answers: Tensor = model(**inputs)["logits"]
        return answers.float().cpu()

    def logits(rows: Sequence[Row]) -> Tensor:
        return torch.stack(in_batches(call, model, [dict(row) for row in rows], collate))

    def batches() -> int:
        return budget.batches(len(stage.task.splits["train"]))

    def read(rows: Sequence[Row]) -> None:
        part: list[Any] = [*rows]
        model(**to_device_of(model, collate(part)))

    return Rows(own, loss, size * budget.gradient_accumulation, seed, read, logits, batches)
