"""The sender's own program: a ``PeftModel`` with the weights of a folder, each of which has a place in it.

A config of a few bytes may ask for any size (``r``, ``token_dim``, ``modules_to_save``). How much memory it needs is
computed before any is allocated: what peft makes of it is made on the meta device first, where tensors have sizes and
no numbers.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from adapter_workbench.workbench.adapters.adapter_folder import PEFT_WEIGHTS
from adapter_workbench.workbench.answering.elsewhere.beside_tokenizer import ADDED_HINT
from adapter_workbench.workbench.answering.elsewhere.peft_beginning import start_factors
from adapter_workbench.workbench.answering.elsewhere.peft_weights import OUTSIDE_START, as_inside
from adapter_workbench.workbench.backbone.init_free import Undrawn
from adapter_workbench.workbench.errors import InputError, opening
from adapter_workbench.workbench.methods.libraries._packed_layers import asking_for_packed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from peft import PeftConfig
    from torch import Tensor, nn

OTHER_MODEL = "It was trained on another model. Name that with --backbone."
RESIZED = ADDED_HINT
UNSIZED = frozenset({"BOFT", "SHIRA"})  # peft computes with numbers as it makes one; none is larger than its module
SPARE = 1 << 24  # numbers that any adapter may take: random matrices, of which its file holds a seed
MOST_LAYERS = 2000


@dataclass(frozen=True)
class Program:
    """An adapter on the sender's class."""

    model: Any  # the ``PeftModel``, in evaluation mode
    # of the folder that belong to the adapter, named as inside the class; peft writes embeddings of the base model
    # beside them
    tensors: Mapping[str, Tensor]
    starts: Mapping[str, tuple[Tensor, Tensor]]  # module → (A₀, B₀), what peft took off the base model's weights


def open_program(
    model: nn.Module, folder: Path, config: PeftConfig, tensors: Mapping[str, Tensor], moving: bool
) -> Program:
    """Return the sender's program.

    Args:
        model: the sender's class; peft puts the adapter into it.
        folder: the sender's.
        config: of the adapter.
        tensors: of the folder, named as inside ``model``.
        moving: whether the adapter changes the base model's weights as it is put on.

    Raises:
        InputError: a tensor has no place, another size, or is missing.
    """
    from peft import get_peft_model, get_peft_model_state_dict

    where = str(folder / PEFT_WEIGHTS)
    base_weights = {name: weight.detach() for name, weight in model.named_parameters()}
    with opening("the adapter", str(folder)), asking_for_packed(model):
        program: Any = get_peft_model(model, config)
        starts = start_factors(program) if moving else {}
        made = get_peft_model_state_dict(program, save_embedding_layers=False)
        expected = as_inside(made, config.is_prompt_learning)
        _Fitting(base_weights, getattr(model.config, "vocab_size", None), where).require(expected, tensors)
        program.load_adapter(str(folder), "default")
    return Program(program.eval(), {name: tensors[name] for name in expected}, starts)


def require_modules(model: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Make sure that a model has the modules that weights were trained for.

    Args:
        model: the sender's class.
        tensors: named as inside it.
        where: their file.

    Raises:
        InputError: it lacks one; the first is named.
    """
    modules = dict(model.named_modules())
    for name in sorted(tensors):
        path = _bare(name).split(".")
        known = max(size for size in range(len(path)) if ".".join(path[:size]) in modules)
        innermost = modules[".".join(path[:known])]
        if known + 1 < len(path) and any(True for _ in innermost.children()) and not name.startswith(OUTSIDE_START):
            lacking = ".".join(path[: known + 1])
            message = f"{name} does not fit: the base model has no {lacking} ({type(model).__name__})"
            raise InputError(message, where=where, hint=OTHER_MODEL)


def require_justified(model: Any, config: PeftConfig, tensors: Mapping[str, Tensor], where: str) -> None:
    """Make sure that an adapter of peft is not larger than its file and the base model allow.

    Args:
        model: the sender's class, a model of transformers; it stays as it is.
        config: the sender's.
        tensors: that the file holds.
        where: the config, for messages.

    Raises:
        InputError: it asks for more memory, or peft makes nothing of it.
    """
    from peft import get_peft_model

    for key, value in vars(config).items():
        if "layers" in key and isinstance(value, int) and value > MOST_LAYERS:
            raise InputError(f"{key}: {value:,} is not a number of layers", where=where)
    if str(getattr(config.peft_type, "value", config.peft_type)) in UNSIZED:
        return
    with opening("the adapter", where), torch.device("meta"), Undrawn():
        blank = type(model)(copy.deepcopy(model.config))
        base = _size(blank)
        asked = _size(get_peft_model(blank, copy.deepcopy(config))) - base
    held = sum(tensor.numel() for tensor in tensors.values())
    if asked > (most := 2 * held + base // 4 + SPARE):
        message = f"its config needs {asked:,} numbers, but the file holds {held:,}"
        raise InputError(message, where=where, hint=f"On this base model it may be {most:,}. Is the config damaged?")


@dataclass(frozen=True)
class _Fitting:
    """Whether the tensors of a folder are those that a config makes on a base model."""

    own: Mapping[str, Tensor]  # the base model's weights
    words: int | None  # how many tokens it has
    where: str  # the file of the tensors

    def require(self, expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
        """Raise InputError unless they are; unchanged weights of the base model may be beside them.

        Args:
            expected: what peft has made, named as inside the sender's class.
            tensors: of the folder, named so too.
        """
        beside = sorted(tensors.keys() - expected.keys())
        here = {**{name: self.own[_bare(name)] for name in beside if _bare(name) in self.own}, **expected}
        for name in here:  # in the model's order, the base model's own first
            if name in tensors and here[name].shape != tensors[name].shape:
                self._refuse_size(name, tensors[name], here[name])
        if missing := sorted(expected.keys() - tensors.keys()):
            raise InputError(f"the weights of {missing[0]} are missing", where=self.where)
        if left := [name for name in beside if name not in here]:
            more = f" and {len(left) - 1} others" if len(left) > 1 else ""
            raise InputError(f"its config has no place for the weights of {left[0]}{more}", where=self.where)
        for name in beside:
            if not torch.equal(tensors[name].to(here[name]), here[name]):
                message = f"{_bare(name)} is a weight of the base model, but its numbers differ"
                raise InputError(message, where=self.where, hint=OTHER_MODEL)

    def _refuse_size(self, name: str, sent: Tensor, here: Tensor) -> None:
        shape_sent, shape_here = ([*tensor.shape] for tensor in (sent, here))
        differing = [pair for pair in zip(shape_sent, shape_here, strict=False) if pair[0] != pair[1]]
        if len(shape_sent) == len(shape_here) and len(differing) == 1 and differing[0][1] == self.words:
            message = f"{name} is for {differing[0][0]:,} tokens, but the base model has {self.words:,}"
            raise InputError(message, where=self.where, hint=RESIZED)
        message = f"{name} is {shape_sent} in this folder, but the base model needs {shape_here}"
        raise InputError(message, where=self.where, hint=OTHER_MODEL)


def _bare(name: str) -> str:
    """Return the name that a weight of the base model has without peft."""
    for beside in (".base_layer", ".original_module", ".modules_to_save"):
        name = name.replace(f"{beside}.", ".")
    return name


def _size(model: Any) -> int:
    tensors = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return sum(tensor.numel() for tensor in tensors.values())
