"""How a fit went, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Epoch:
    """One pass over the training examples: mean loss, and the validation score after it."""

    epoch: int
    train_loss: float
    validation: float
    validation_log_likelihood: float


@dataclass(frozen=True)
class FitRecord:
    """How a fit went."""

    epochs: tuple[Epoch, ...]  # one entry for each epoch that ran; none where there is nothing to train
    best_epoch: int  # the epoch (from 1) whose weights were kept; 0 where they stayed as they were
    # that epoch's score of the task's main metric on the validation split, in [0, 1]; None of what was made without
    # any example of its task
    validation: float | None
    steps: int  # optimiser steps
    # wall time, validation included; of a remedy also the time of its work beside the fit (Fisher information, a
    # teacher's answers, comparing strengths)
    seconds: float
    # highest memory of the process (or the device) in this time, in MB; None where not measurable
    peak_memory_mb: float | None
    trainable_parameters: int  # how many numbers the optimiser changed, head included
    # hyper-parameters that were chosen on validation data, by name; what that took is counted above
    chosen: Mapping[str, float] = field(default_factory=dict)
    trials: int = 1  # how many fits were made to choose them, this one included
    checkpointed: bool = False  # whether activations were computed again in the backward pass
    # how many examples ``validation`` is a score of; None where an earlier version wrote it
    validation_examples: int | None = None
    # how many different training examples were read, which may come several times in an epoch, and of a way of
    # updating those that it reads beside the fit; None where nothing was trained, and where an earlier version wrote
    # it
    train_examples: int | None = None
    # what else was counted while ``seconds`` passed, by quantity
    # (``COUNTERS``)
    spent: Mapping[str, float] = field(default_factory=dict)

    @property
    def validated(self) -> float:
        """The validation score of a fit, which has one; raises ValueError where there were no examples."""
        if self.validation is None:
            raise ValueError("made without an example to validate on")
        return self.validation
