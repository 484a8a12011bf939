"""What is added to the loss of a step's forward passes, in a trainer that takes its loss from the model.

A hook on the model adds a number that is 0 and has the gradient of what is added. So the loss in the log stays the
trainer's own, and the trainer's backward pass, its accumulation and its clipping serve both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from accelerate.state import GradientState

from adapter_workbench.experiments.remedies.trainer_learner import predicts_next
from adapter_workbench.workbench.backbone.batching import IGNORED
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine import processes
from adapter_workbench.workbench.training.remedy import ForwardPass

if TYPE_CHECKING:
    from torch import Tensor, nn

Inputs = Mapping[str, Any]  # what the model was given, by name
ITEMS = "num_items_in_batch"  # labels that are learned in a whole step, as the trainer tells the model
ANSWERS = "Train a classifier, or a language model on answers, with the model's own loss and without label smoothing."


class Passes:
    """Adds to the loss of each forward pass of a step, and asks for it no more when the step is over."""

    def __init__(self, model: nn.Module, added: Callable[[Inputs, ForwardPass], Tensor | None], where: str) -> None:
        """Take what is added to a pass: a scalar, or None."""
        self.model, self.added, self.where = model, added, where
        self._count = 0
        self._hooks: list[Any] = []
        self._used: list[bool] = []  # of each pass of the step with something added, whether a gradient came back

    def expect(self, count: int) -> None:
        """Add to the passes of the step that begins: ``count`` of them, or fewer in an epoch's last step."""
        self.release()
        self._count = count
        self._used = []
        hook: Any = self._with_added  # torch does not type its hooks
        self._hooks = [self.model.register_forward_hook(hook, with_kwargs=True)]

    def finish(self) -> None:
        """End the step.

        Raises:
            InputError: the trainer has used none of what was added.
        """
        self.release()
        if self._used and not any(self._used):
            raise InputError("this trainer does not learn from the model's own loss", where=self.where, hint=ANSWERS)

    def release(self) -> None:
        """Add to no more passes: those of an evaluation, or of other remedies, are not the step's."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def _with_added(self, model: nn.Module, args: Any, inputs: Inputs, output: Any) -> Any:
        """Return what becomes of the output of a pass."""
        if not model.training or not torch.is_grad_enabled():
            return output
        if GradientState().sync_gradients:  # the step's last pass
            self.release()
        labels, loss, logits = inputs.get("labels"), *_loss_and_logits(output)
        if labels is None or loss is None or logits is None:
            self.release()
            raise InputError("this trainer does not learn from the model's own loss", where=self.where, hint=ANSWERS)
        share = self._share(inputs, logits)
        learned = partial(learned_logits, self.model, logits, labels)
        try:
            added = self.added(inputs, ForwardPass(learned, loss.detach().float() / share))
        except BaseException:
            self.release()
            raise
        if added is None or not added.requires_grad:
            return output
        hook: Any = added.register_hook
        hook(partial(self._note, len(self._used)))
        self._used.append(False)
        output["loss"] = loss + share * (added - added.detach())
        return output

    def _share(self, inputs: Inputs, logits: Tensor) -> float:
        """Return which part of the step's mean loss the pass has; 1 where its loss is a mean of its own.

        Where the trainer counts the step's items, causal language models divide by them, and classifiers do not.
        """
        items, alone = inputs.get(ITEMS), self._count == 1 and processes.count() == 1
        if items is None or alone or logits.ndim < 3 or not predicts_next(self.model):
            return 1.0
        return float(inputs["labels"].ne(IGNORED).sum()) / float(items)

    def _note(self, index: int, gradient: Tensor) -> None:
        self._used[index] = True


def learned_logits(model: nn.Module, logits: Tensor, labels: Tensor) -> Tensor:
    """Return the logits of a batch in float32: of each row, or of each token that is learned (…, labels)."""
    if logits.ndim < 3:
        return logits.float()
    logits = logits[:, -labels.shape[1] :]  # before them may stand those of a prompt that is learned
    if predicts_next(model):
        logits, labels = logits[:, :-1], labels[:, 1:]
    return logits[labels != IGNORED].float()


def _loss_and_logits(output: Any) -> tuple[Tensor | None, Tensor | None]:
    return (output.get("loss"), output.get("logits")) if isinstance(output, Mapping) else (None, None)
