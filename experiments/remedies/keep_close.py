"""Holds a language model or a classifier to what it answered before the training, on rows of your choice.

λ KL(p₀ ‖ p) is added to the loss of each step, p₀ what the model says with its adapter switched off, so that no second
copy is needed; the mean over the tokens of some of the rows, drawn anew for each step. Both are read without dropout.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from pydantic import Field

from adapter_workbench.experiments.remedies.anchors import anchors_of, batch_of
from adapter_workbench.experiments.remedies.callback import RemedyCallback
from adapter_workbench.experiments.remedies.settings import settings_of
from adapter_workbench.experiments.strategies._memory import drawn
from adapter_workbench.experiments.strategies._shared import RemedySettings
from adapter_workbench.workbench.answering.live_model import undisturbed
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.settings.bounds import Count
from adapter_workbench.workbench.training.remedy import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torch import Tensor

    from adapter_workbench.experiments.remedies.anchors import Anchor

FRESH = 1e-3  # KL in nats that rounding may make of an adapter that changes nothing yet


class KeepCloseSettings(RemedySettings):
    """``strength`` is λ."""

    batch: Count = Field(8, description="rows that a step reads, in each process")


@dataclass(frozen=True)
class KeptClose(Remedy):
    """It keeps nothing: the model that was is in the one that is trained."""

    name: ClassVar[str] = "keep-close-to"


class KeepCloseTo(RemedyCallback):
    """Keeps a model with a new adapter close to the model without it, on rows of your choice.

    ::

        Trainer(..., callbacks=[KeepCloseTo(["a text of the kind that it did well", ...], strength=1.0)])

    It needs no state and leaves none. Before the next training, merge the adapter: then its model is what is kept.
    """

    def __init__(self, rows: Iterable[Any], *, strength: float = 1.0, batch: int = 8) -> None:
        """Take the rows.

        Args:
            rows: texts, or tokenized rows as the trainer has them (``input_ids``; with ``labels`` answers alone count).
            strength: λ of λ KL(p₀ ‖ p).
            batch: how many of the rows a step reads, in each process.

        Raises:
            SettingsError: all that is wrong with the settings, in one message.
        """
        settings = settings_of(KeepCloseSettings, "KeepCloseTo", strength=strength, batch=batch)
        super().__init__(KeptClose())
        self._rows, self._strength, self._batch = [*rows], settings.strengths[0], settings.batch
        self._anchors: Sequence[Anchor] = ()
        self._bf16 = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tokenize the rows.

        Raises:
            InputError: they are no rows, or the model has no adapter that can be switched off, or one that has learned.
        """
        model = kwargs["model"]
        self._anchors = anchors_of(self._rows, kwargs.get("processing_class"), self.where)
        hint = "Train a LoRA, or another adapter of peft, on it."
        if not hasattr(model, "disable_adapter"):
            message = "the model that it was is read by switching the adapter off, and this one has none"
            raise InputError(message, where=self.where, hint=hint)
        if model.config.is_encoder_decoder:
            raise InputError("an encoder-decoder is not held by this remedy", where=self.where)
        super().on_train_begin(args, state, control, **kwargs)
        self._bf16 = args.bf16
        if not state.global_step and float(self._divergence(self._anchors[: self._batch]).detach()) > FRESH:
            self._release()
            hint = "Merge it (merge_and_unload) and train a new one."
            raise InputError("the adapter has learned before, which would be undone", where=self.where, hint=hint)

    def added(self, step: int) -> Tensor:
        """Return λ KL(p₀ ‖ p) on the rows of a step."""
        rows = self._learner.rows
        return self._strength * self._divergence(drawn(self._anchors, self._batch, rows.seed, step))

    def _divergence(self, anchors: Sequence[Anchor]) -> Tensor:
        """Return the mean of KL(p₀ ‖ p) over the tokens that are held, or over texts of a classifier."""
        model: Any = self._learner.body
        batch, held = batch_of(anchors, next(model.parameters()).device)
        with undisturbed(model), torch.autocast(batch["input_ids"].device.type, torch.bfloat16, enabled=self._bf16):
            with torch.no_grad(), _switched_off(model):
                before = model(**batch).logits
            with torch.enable_grad():
                now = model(**batch).logits
        if now.ndim == 3:  # a token is answered by what the model says at the one before
            before, now = before[:, :-1][held[:, 1:]], now[:, :-1][held[:, 1:]]
        old, new = before.float().log_softmax(dim=-1), now.float().log_softmax(dim=-1)
        divergence: Tensor = (old.exp() * (old - new)).sum(dim=-1).mean()
        return divergence


@contextmanager
def _switched_off(model: Any) -> Iterator[None]:
    """Have no adapter in the block; peft would train all active ones after it, also those that were frozen."""
    trained = [(weight, weight.requires_grad) for weight in model.parameters()]
    with model.disable_adapter():
        yield
    for weight, was in trained:
        weight.requires_grad = was
