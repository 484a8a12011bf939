"""Kept rows of earlier tasks among the new ones, held to the logits that they had when they were kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from datasets import Dataset

from adapter_workbench.experiments.remedies.callback import RemedyCallback
from adapter_workbench.experiments.remedies.replay_rows import put_before
from adapter_workbench.experiments.remedies.settings import settings_of
from adapter_workbench.experiments.strategies.der_plus_plus import EACH, LOGITS, DarkReplay, DerSettings, Key, key_of
from adapter_workbench.workbench.answering.live_model import undisturbed
from adapter_workbench.workbench.errors import InputError, IntegrityError

if TYPE_CHECKING:
    from os import PathLike

    from torch import Tensor

    from adapter_workbench.experiments.remedies.passes import Inputs

HOLD_WEIGHTS = "Use EWC or L2ToStart, which hold the weights, or LwF, which holds a language model's answers."


class DERPlusPlus(RemedyCallback):
    """DER++: rows of earlier tasks are learned again, and held to the logits that they had; for classifiers.

    ::

        Trainer(..., callbacks=[DERPlusPlus()])                       # the first task, whose rows are kept at its end
        kept = DERPlusPlus("out/forgetting-state", strength=0.5)
        Trainer(..., train_dataset=kept.mixed(rows), callbacks=[kept])  # the next one, from the weights of the first
    """

    def __init__(self, state: str | PathLike[str] | None = None, *, strength: float = 0.5, memory: int = 200) -> None:
        """Read the rows that the training before kept.

        Args:
            state: its ``forgetting-state``; None before the first task.
            strength: α of α mean (ẑ − z)².
            memory: training rows that are kept, of all tasks together, as they were tokenized.

        Raises:
            SettingsError: all that is wrong with the settings, in one message.
            InputError: there is no such state.
            IntegrityError: it is damaged.
        """
        settings = settings_of(DerSettings, "DERPlusPlus", strength=strength, memory=memory)
        super().__init__(DarkReplay(settings.strengths[0], settings.memory), state)
        self._logits: dict[Key, Tensor] = {}
        if self._given:
            logits = self._given.tensors.get(LOGITS, {}).get(EACH)
            if logits is None or logits.ndim != 2 or len(logits) != len(self._given.rows):
                raise IntegrityError("damaged: not every kept row has logits", where=str(state))
            self._logits = dict(zip(map(key_of, self._given.rows), logits, strict=True))

    def mixed(self, dataset: Dataset) -> Dataset:
        """Return the kept rows and, behind them, those of ``dataset``: tokenized, with the columns of the kept ones.

        Raises:
            InputError: nothing is kept yet, or the two cannot be put together.
        """
        if self._given is None:
            raise InputError("no rows are kept before the first task", where=f"{self.where}.mixed(…)")
        return put_before(dataset, Dataset.from_list([dict(row) for row in self._given.rows]), f"{self.where}.mixed(…)")

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin the task.

        Raises:
            InputError: the model gives no logits for each row, or for other labels; or no kept row is mixed in.
        """
        super().on_train_begin(args, state, control, **kwargs)
        rows = self._learner.rows
        try:
            with undisturbed(kwargs["model"]):
                self._require_labels(rows.logits([rows.own()[0]]), rows.own()[0])
            if self._logits and not any(key_of(row) in self._logits for row in rows.own()):
                hint = "Train on what mixed(dataset) of this callback returns."
                raise InputError("none of the kept rows is among the training's", where=self.where, hint=hint)
        except InputError:
            self._release()
            raise

    def remembered(self, inputs: Inputs) -> Tensor | None:
        """Return the logits of the kept rows in a batch (rows, labels), NaN for new ones."""
        if not self._logits:
            return None
        ids, labels = inputs["input_ids"], inputs["labels"].tolist()
        read = inputs.get("attention_mask", torch.ones_like(ids)).bool()
        keys = [(tuple(ids[index][read[index]].tolist()), label) for index, label in enumerate(labels)]
        unknown = torch.full_like(next(iter(self._logits.values())), torch.nan)
        return torch.stack([self._logits.get(key, unknown) for key in keys]).to(ids.device)

    def _require_labels(self, logits: Tensor, row: Any) -> None:
        if logits.ndim != 2 or logits.shape[1] < 2 or isinstance(row.get("labels"), list):
            message = "the answers of this model are not one of several labels"
            raise InputError(message, where=self.where, hint=HOLD_WEIGHTS)
        known = next(iter(self._logits.values()), None)
        if known is not None and len(known) != logits.shape[1]:
            message = f"kept rows have logits of {len(known)} labels, and the model has {logits.shape[1]}"
            raise InputError(message, where=self.where, hint="Train both tasks with one head, of all their labels.")
