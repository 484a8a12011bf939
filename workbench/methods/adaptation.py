"""A method on a backbone: how a task's model is made, saved and opened again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from adapter_workbench.workbench.adapters.adapter_folder import check_adapter
from adapter_workbench.workbench.backbone import quantisation
from adapter_workbench.workbench.backbone.architecture import skeleton
from adapter_workbench.workbench.backbone.bf16_matrices import shown_in_float32
from adapter_workbench.workbench.backbone.finite_weights import require_finite
from adapter_workbench.workbench.errors import InputError, opening
from adapter_workbench.workbench.methods.kinds import KINDS, require_answerable
from adapter_workbench.workbench.methods.layered_head import build_head
from adapter_workbench.workbench.methods.libraries import LIBRARIES
from adapter_workbench.workbench.methods.library import CallsLayers, Configurable, DescribedLibrary
from adapter_workbench.workbench.methods.methods import METHODS, require_possible, trained_method
from adapter_workbench.workbench.methods.model import TaskModel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from adapter_workbench.workbench.adapters.manifest import HeadReference
    from adapter_workbench.workbench.backbone.pretrained import Backbone, Pooling
    from adapter_workbench.workbench.machine.device import Precision
    from adapter_workbench.workbench.methods.library import Library
    from adapter_workbench.workbench.methods.method import Method
    from adapter_workbench.workbench.settings.base import MethodSettings

HEAD_FILE = "head.safetensors"


@dataclass(frozen=True)
class Adaptation:
    """Everything that shapes a model but its weights: backbone, method, hyper-parameters and arithmetic."""

    backbone: Backbone  # the pretrained model
    method: str  # a name in the registry of methods
    settings: MethodSettings  # of the method
    precision: Precision  # of the body's arithmetic
    # the library's configuration, of an adapter that another program made; None: what the method makes of its
    # settings
    described: Mapping[str, Any] | None = None
    head: HeadReference | None = None  # the head's pooling and layers; None: one linear layer on the backbone's pooling
    whole: bool = False  # whether the weights of the method are the backbone's own, which is the model itself

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields alone: another process looks up what they name, and a card's functions stay here."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @cached_property
    def card(self) -> Method:
        """The method's registry entry."""
        return METHODS.get(self.method)

    @property
    def pooling(self) -> Pooling:
        """How token states become what the head reads."""
        return self.head.pooling if self.head else self.backbone.pooling

    @cached_property
    def library(self) -> Library:
        """The package that does the work."""
        return LIBRARIES.get(self.card.library)

    def fresh(self, kind: str, labels: int, seed: int) -> TaskModel:
        """Return a model with new weights drawn from ``seed`` on the pretrained backbone.

        Raises:
            InputError: the method is made of other adapters, or cannot work on this backbone for this kind of task.
        """
        trained_method(self.method)
        self.require_possible(kind)
        torch.manual_seed(seed)
        body = self.pretrained()
        with shown_in_float32(body):
            body = self.library.attach(body, self._config)
        return self._model(body, self.fresh_head(kind, labels, seed), kind)

    def require_possible(self, kind: str, where: str | None = None) -> None:
        """Raise InputError where the backbone cannot answer this kind of task, or the method cannot work on it."""
        config = self.backbone.config
        require_answerable(kind, config, where)
        require_possible(self.method, self.settings, config, kind, where, self.backbone.quantization)

    def fresh_head(self, kind: str, labels: int, seed: int) -> nn.Module:
        """Return a new head; the same ``seed`` gives the same head whatever the method is."""
        torch.manual_seed(seed)
        return KINDS.get(kind).head(self.backbone, labels)

    def stored_head(self, path: Path, kind: str, labels: int) -> nn.Module:
        """Return the head that :func:`save_head` wrote to ``path``, or the backbone's own where the kind uses that.

        Raises:
            InputError: it cannot be read, holds NaN or infinity, or has not so many labels.
        """
        head = self.fresh_head(kind, labels, seed=0)
        if self.head is not None:
            with opening("the head", str(path)):
                require_finite(path)
                layers = build_head(self.head, load_file(path))
                last: Any = layers[-1]  # it is linear
                _require_rows(last.weight, len(head.state_dict()["weight"]))
                return layers
        if head.state_dict():
            with opening("the head", str(path)):
                require_finite(path)
                stored = load_file(path)
                _require_shapes(stored, head.state_dict(), labels)
                head.load_state_dict(stored)
        return head

    def require_described(self, folder: Path) -> None:
        """Make sure that the config of a stored adapter describes this adaptation.

        Raises:
            InputError: it does not, or cannot be read; both values are named.
            UnsafeConfigError: the folder leads a library to something outside it.
        """
        if not isinstance(self.library, DescribedLibrary):
            return
        with opening("the adapter", str(folder)):
            check_adapter(folder)
            differs = self.library.contradiction(folder, self._config, self.backbone.config, self.card.reshapes)
        if differs:
            hint = "Its answers would differ from those that were measured. Take another copy of the adapter."
            raise InputError(f"the adapter is not what its manifest says: {differs}", where=str(folder), hint=hint)

    def pretrained(self) -> nn.Module:
        """Return the bare backbone, as wide as the method needs it and the budget says; see :meth:`Backbone.load`."""
        alone = self.card.trains_backbone or self.card.reads_weights
        precision: Precision = "fp32" if alone else self.precision
        frozen = can_stay_narrow(self.card, "fp32")
        return self.backbone.load(own=self._trains_most, precision=precision, frozen=frozen)

    def load(self, folder: Path, head: nn.Module, kind: str) -> TaskModel:
        """Return the body stored in ``folder`` under ``head``.

        Raises:
            InputError: the weights or their config cannot be read, or do not fit the backbone.
            UnsafeConfigError: the folder leads a library to something outside it.
        """
        body = self.pretrained()
        with opening("the adapter", str(folder)):
            if not self.whole:  # else its files are the backbone's, which is open
                check_adapter(folder)
            with shown_in_float32(body):
                config, library = self._config, self.library
                body = library.attach(body, config) if self.whole else library.load(body, folder, config)
        return self._model(body, head, kind)

    def backbone_is_intact(self, model: TaskModel) -> bool:
        """Take the method's weights off ``model`` and return whether the rest is the pretrained weights, bit by bit."""
        return self.backbone.is_intact(self.library.detach(model.body))

    @cached_property
    def _trains_most(self) -> bool:
        """Whether most of the backbone's own weights are written to when the method is put on it."""
        if self.whole or not self.card.trains_backbone:
            return False
        is_trained = getattr(self._config, "parts", {"plain": self._config})["plain"]  # a mixture has several parts
        weights = list(skeleton(self.backbone.config).named_parameters())
        trained = sum(weight.numel() for name, weight in weights if is_trained(name))
        return 2 * trained > sum(weight.numel() for _, weight in weights)

    @cached_property
    def _config(self) -> Any:
        if self.described is not None and isinstance(self.library, Configurable):
            return self.library.configuration(self.described)
        return self.card.configure(self.settings, self.backbone.config)

    def _model(self, body: nn.Module, head: nn.Module, kind: str) -> TaskModel:
        self.card.freeze(body)
        if self.backbone.quantization:
            quantisation.keep_as_packed(body)
        model = TaskModel(body, head, KINDS.get(kind), self.pooling, self.precision).eval()
        if self.head and self.head.virtual:
            model.pool_prompt(True)
        return model


def _require_shapes(stored: Mapping[str, Tensor], expected: Mapping[str, Tensor], labels: int) -> None:
    """Raise ValueError where a stored head has another number of labels; torch checks the rest."""
    for name in sorted(stored.keys() & expected.keys()):
        if stored[name].shape[:1] != expected[name].shape[:1]:
            _require_rows(stored[name], labels, name)


def _require_rows(tensor: Tensor, labels: int, name: str = "weight") -> None:
    if tensor.shape[:1] != (labels,):
        rows = f"{len(tensor)} rows" if tensor.dim() else "no rows"
        raise ValueError(f"its {name} has {rows}, but the task has {labels} labels")


def save_head(head: nn.Module, path: Path) -> None:
    """Write a head's parameters (``weight``, ``bias``) as safetensors; a head of the backbone's own has none."""
    if state := head.state_dict():
        save_file({name: tensor.detach().contiguous() for name, tensor in state.items()}, path)


def can_stay_narrow(card: Method, precision: Precision) -> bool:
    """Return whether matrices that are stored in bfloat16 can stay so under a method.

    In bf16 autocast rounds whatever a matrix is multiplied with. In fp32 each layer widens its own matrix, so that the
    method has to call the layer.

    Args:
        card: of the method.
        precision: of the arithmetic.
    """
    if card.trains_backbone or card.reads_weights:
        return False
    library = LIBRARIES.get(card.library)
    calls = isinstance(library, CallsLayers) and library.calls_layers and not card.adds_to_weights
    return calls or precision == "bf16"
