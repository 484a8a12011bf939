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
from adapter_workbench.workbench.answering.live_model import restored_generators
from adapter_workbench.workbench.backbone.batching import IGNORED
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine import processes
from adapter_workbench.workbench.training.remedy import ForwardPass

if TYPE_CHECKING:
    from torch import Tensor, nn

Inputs = Mapping[str, Any]  # what the model was given, by name
ITEMS, FUSED = "num_items_in_batch", "fused_lm_head"  # how many labels a whole step learns; TRL's sums of logits
BESIDE = ("labels", ITEMS, FUSED)  # of what a model is given: what it does not read
ANSWERS = "Train a classifier, or a language model on answers, with the model's own loss and without label smoothing."


class Passes:
    """Adds to the loss of each forward pass of a step, and asks for it no more when the step is over."""

    def __init__(
        self, model: nn.Module, added: Callable[[Inputs, ForwardPass], Tensor | None], args: Any, where: str
    ) -> None:
        """Take what is added to a pass, a scalar or None, in a training as ``args`` say."""
        self.model, self.added, self.where = model, added, where
        self._fused = _learns_log_probabilities(args)
        self._count = 0
        self._is_asking = False
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
        if not model.training or not torch.is_grad_enabled() or self._is_asking:
            return output
        if GradientState().sync_gradients:  # the step's last pass
            self.release()
        part = output if isinstance(output, Mapping) else {}
        labels, loss, logits = inputs.get("labels"), part.get("loss"), part.get("logits")
        fused = self._fused and part.get("log_probs") is not None
        if labels is None or loss is None or (logits is None and not fused):
            self.release()
            raise InputError("this trainer does not learn from the model's own loss", where=self.where, hint=ANSWERS)
        share = 1.0 if logits is None or fused else self._share(inputs, logits)
        learned = partial(self._learned, inputs, logits)
        try:
            added = self.added(inputs, ForwardPass(learned, loss.detach().float() / share))
        except BaseException:
            self.release()
            raise
        if added is None or not added.requires_grad:
            return output
        reached: Any = added  # torch does not type its hooks
        reached.register_hook(partial(self._note, len(self._used)))
        self._used.append(False)
        nothing = added - added.detach()
        if fused:  # their sum is the loss, up to its sign and a divisor
            output["log_probs"] = output["log_probs"] - nothing * output["label_mask"]
        else:
            output["loss"] = loss + share * nothing
        return output

    def _learned(self, inputs: Inputs, logits: Tensor | None) -> Tensor:
        """Return the logits that are learned; where the model has not given them, it is asked once more."""
        if logits is None:
            self._is_asking = True
            try:
                read = {name: value for name, value in inputs.items() if name not in BESIDE}
                with restored_generators():
                    logits = self.model(**read)["logits"]
            finally:
                self._is_asking = False
        return learned_logits(self.model, logits, inputs["labels"])

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


def _learns_log_probabilities(args: Any) -> bool:
    """Return whether a trainer makes its loss of the tokens' log-probabilities: TRL's SFTTrainer, where not of DFT."""
    return any(kind.__name__ == "SFTConfig" for kind in type(args).__mro__) and args.loss_type == "nll"
