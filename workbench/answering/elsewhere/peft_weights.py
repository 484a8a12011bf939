"""The weights of an adapter of peft, those of the transformer named as they are where no class is around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

START = "base_model.model."  # of a module's name in the file
OUTSIDE_START = "base_model."  # of what is no module's (VeRA's shared matrices), and of modules beside a prompt
PROMPT = "prompt_embeddings"


def as_inside(stored: Mapping[str, Tensor], is_prompt: bool) -> dict[str, Tensor]:
    """Return stored tensors under the names that they have inside the sender's class, where they have one there."""
    start = OUTSIDE_START if is_prompt else START
    return {name.removeprefix(start): tensor for name, tensor in stored.items()}


def require_distinct(names: Iterable[str], where: str) -> None:
    """Raise InputError where two names are the same without what peft puts before them, or one is empty."""
    stored = {*names}
    if "" in stored:
        raise InputError("a tensor has no name", where=where)
    if twice := sorted(name for name in stored if f"{START}{name}" in stored or f"{OUTSIDE_START}{name}" in stored):
        raise InputError(f"{twice[0]!r} is there twice, with and without {START!r} before it", where=where)


def as_stored(tensors: Mapping[str, Tensor], prefix: str, outside: Iterable[str]) -> dict[str, Tensor]:
    """Return what belongs to the transformer, as its file names it.

    Args:
        tensors: named as inside the sender's class.
        prefix: the transformer's name inside that, with a dot.
        outside: modules whose weights belong to the head.
    """
    apart = tuple(f"{module}." for module in outside)
    return {
        name if name.startswith((OUTSIDE_START, PROMPT)) else f"{START}{name.removeprefix(prefix)}": tensor
        for name, tensor in tensors.items()
        if not name.startswith(apart)
    }


def of_one_prompt(tensors: Mapping[str, Tensor], tokens: int) -> dict[str, Tensor]:
    """Return an adapter with its first ``tokens`` virtual ones; peft keeps as many for a decoder, which reads none."""
    return {name: tensor[:tokens] if name == PROMPT else tensor for name, tensor in tensors.items()}


def projections(program: Any) -> dict[str, Tensor]:
    """Return the random matrices of VeRA and RandLora, which peft need not save: a seed gives others elsewhere.

    Args:
        program: a ``PeftModel`` with these matrices; of any other method there are none.
    """
    from peft import get_peft_model_state_dict

    config = program.peft_config["default"]
    if getattr(config, "save_projection", True):
        return {}
    config.save_projection = True
    buffers = dict(program.named_buffers(remove_duplicate=False))
    state = get_peft_model_state_dict(program, program.state_dict() | buffers, save_embedding_layers=False)
    config.save_projection = False
    return {name: tensor.clone() for name, tensor in as_inside(state, is_prompt=False).items()}
