"""A fine-tuning method as a card, and its hooks in a fit (:mod:`adapter_workbench.workbench.methods.methods`)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.settings.registry import last_revision

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget, MethodSettings, Quantization


@dataclass(frozen=True)
class FitHooks:
    """What a method does in a fit beyond gradient steps on fixed parameters."""

    # called before each optimiser step with the number of steps done
    before_step: Callable[[int], None] = lambda done: None
    # called with the number of steps done when the gradients of a step are accumulated, clipped, and corrected by a
    # strategy; the optimiser takes what it leaves
    before_update: Callable[[int], None] = lambda done: None
    # called after each with the number of steps done; the gradients are still there
    after_step: Callable[[int], None] = lambda done: None
    # called when the fit has ended and the best epoch's weights are back: leaves the body as it is stored
    finish: Callable[[], None] = lambda: None
    penalty: Callable[[], Tensor] | None = None  # what is added to the loss of a training batch
    settles: int = 0  # after how many steps the weights are such as may be kept; earlier epochs cannot be the best
    resumable: bool = True  # whether a checkpoint of the weights is enough to go on from


@dataclass(frozen=True)
class FitLength:
    """How long a fit is: optimiser steps in all, and in an epoch."""

    total: int
    epoch: int


@dataclass(frozen=True)
class Method:
    """A fine-tuning method: a card that names its paper, its settings, and the library that does the work."""

    title: str  # the name in the literature
    paper: str  # where it was introduced
    library: str  # a name in the registry of libraries (``plain``, ``peft``, ``adapters``)
    settings: type[MethodSettings]  # the typed hyper-parameters
    # settings and the backbone's config → the library's configuration object
    configure: Callable[[Any, PretrainedConfig], Any]
    # settings, the backbone's config and the name of a task's kind → why the method cannot work there, in a few
    # words; None where it can. It reads the config alone, so that it can speak before weights are fetched
    objection: Callable[[Any, PretrainedConfig, str], str | None] = lambda settings, config, kind: None
    # settings, a fresh model, the task, the backbone's tokenizer, the budget and the seed → what the method takes
    # from the training examples before the first step is put into the model; None where that is nothing
    prepare: Callable[[Any, TaskModel, Task, PreTrainedTokenizerBase, Budget, int], None] | None = None
    # settings, the body and the length of the fit → what the method does during it; called as the fit begins
    hooks: Callable[[Any, Any, FitLength], FitHooks] = lambda settings, body, length: FitHooks()
    # the name of a weight that the library adds → whether it stays as it was drawn
    keeps: Callable[[str], bool] = lambda name: False
    trains: bool = True  # whether anything is trained; a method that trains nothing has no learning rate to choose
    trains_backbone: bool = False  # whether some of the backbone's own weights are trained in place
    reads_weights: bool = False  # whether what it puts beside a matrix depends on the numbers in it
    # whether it adds its update to a frozen matrix in each pass, instead of calling its layer
    adds_to_weights: bool = False
    reshapes: bool = False  # whether a fit trains or leaves other tensors than those that were drawn
    recomputes: bool = True  # whether a layer can be computed twice in a step, with the same weights and random numbers
    # the quantisations of a backbone with which its library fails, or takes packed numbers for weights
    fails_on: tuple[Quantization, ...] = ()
    composed: bool = False  # whether it is made of other adapters (by ``workbench fuse``), never trained from nothing
    # raised when a fit with the same settings comes to mean another result, so that stored results are not taken for
    # new ones
    revision: int = 1
    # a revision → settings → whether it changed what they give; where not, their keys stay. A revision that is not
    # named changed all results
    affects: Mapping[int, Callable[[Any], bool]] = field(default_factory=dict, hash=False)
    course: InitVar[Callable[[Any, Any, FitLength], FitHooks] | None] = None  # the name of ``hooks`` before

    def __post_init__(self, course: Callable[[Any, Any, FitLength], FitHooks] | None) -> None:
        """Take ``course`` for ``hooks``: cards of installed packages may still say so."""
        if course is not None:
            warnings.warn("Method(course=…) is Method(hooks=…) now", DeprecationWarning, stacklevel=3)
            object.__setattr__(self, "hooks", course)

    @property
    def default_rate(self) -> float | None:
        """The learning rate where none is given; None where nothing is trained."""
        return self.settings.model_fields["learning_rate"].default if self.trains else None

    @property
    def trains_body(self) -> bool:
        """Whether anything below the head is trained: the backbone's own weights, or modules that a library adds."""
        return self.trains and (self.trains_backbone or self.library != "plain")

    @property
    def trains_plainly(self) -> bool:
        """Whether a fit is gradient steps on what the library attaches, and nothing else before or during it."""
        usual = {field.name: field.default for field in fields(self)}
        return all(getattr(self, name) is usual[name] for name in ("prepare", "hooks", "keeps"))

    def revision_of(self, settings: Any) -> int:
        """Return the last revision that changed what these settings give."""
        return last_revision(self.revision, self.affects, settings)

    def freeze(self, body: nn.Module) -> None:
        """Exclude from training the weights of an adapted body that the method keeps as they were drawn."""
        for name, parameter in body.named_parameters():
            if parameter.requires_grad and self.keeps(name):
                parameter.requires_grad_(False)
