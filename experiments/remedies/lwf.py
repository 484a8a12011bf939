"""Holds a model to what it said of the new rows before it learned from them (learning without forgetting)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.func import functional_call

from adapter_workbench.experiments.remedies.callback import RemedyCallback
from adapter_workbench.experiments.remedies.passes import BESIDE, learned_logits
from adapter_workbench.experiments.remedies.settings import settings_of
from adapter_workbench.experiments.strategies._shared import RemedySettings
from adapter_workbench.experiments.strategies._weights import on_device_of
from adapter_workbench.experiments.strategies.lwf import WEIGHTS, Distilled
from adapter_workbench.workbench.answering.live_model import undisturbed
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from adapter_workbench.experiments.remedies.passes import Inputs


class LwF(RemedyCallback):
    """Learning without forgetting: on the new rows the model goes on saying what it said before, beside the answers.

    ::

        Trainer(..., callbacks=[LwF(strength=1.0)])

    It needs no state and leaves none. The teacher is the model with its trained weights as they were before the first
    step: a copy of these alone is kept, and each forward pass is made once more with them, without dropout. TRL's newer
    ``SFTTrainer`` has no logits made, so that there each is made twice more.
    """

    def __init__(self, *, strength: float = 1.0) -> None:
        """Take λ of λ · −softmax(z/2) · log softmax(ẑ/2), a mean over rows, or over tokens that are learned.

        Args:
            strength: λ.

        Raises:
            SettingsError: it is not a strength.
        """
        settings = settings_of(RemedySettings, "LwF", strength=strength)
        super().__init__(Distilled(settings.strengths[0]))

    def remembered(self, inputs: Inputs) -> Tensor:
        """Return what the model said of the rows before the first step.

        Raises:
            InputError: its answers are numbers, not one of several labels.
        """
        model: Any = self._learner.body
        before: Any = self._state
        kept, trained = before.tensors[WEIGHTS], self._learner.trained
        weights = {name: on_device_of(weight, kept, name) for name, weight in trained.items()}
        read = {name: value for name, value in inputs.items() if name not in BESIDE}
        with undisturbed(model), torch.no_grad():
            logits = functional_call(model, weights, kwargs=read)["logits"]
        teacher = learned_logits(model, logits, inputs["labels"])
        if teacher.shape[-1] < 2 or inputs["labels"].is_floating_point():
            hint = "Use L2ToStart or EWC, which hold the weights."
            raise InputError("the answers of this model are not one of several labels", where=self.where, hint=hint)
        return teacher
