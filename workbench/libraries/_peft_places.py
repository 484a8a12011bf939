"""Every tensor in the file of a peft adapter has its place in the model, and none replaces one of the backbone's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.adapter_folder import PEFT_WEIGHTS
from workbench.libraries._places import names_in, require_all

if TYPE_CHECKING:
    from torch import nn

NAME = "default"  # peft's, of an adapter that has none


def require_places(model: Any, folder: Path, name: str = NAME) -> None:
    """Make sure that the file of an adapter, which was loaded as ``name``, holds its tensors and no others.

    What is the backbone's own may be there: peft writes an embedding that it adapts.

    Raises:
        ValueError: a tensor is missing, or peft has dropped it.
    """
    from peft import get_peft_model_state_dict

    backbone = {_bare(tensor) for tensor in model.get_base_model().state_dict(keep_vars=True)}
    stored = [tensor for tensor in names_in(folder / PEFT_WEIGHTS) if _bare(tensor) not in backbone]
    require_all(stored, get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False))


def require_own_unchanged(body: nn.Module, folder: Path) -> None:
    """Make sure that the file of an adapter would put no other numbers in the place of the backbone's own.

    Raises:
        ValueError: it would; peft loads whatever has a name in the model.
    """
    import torch
    from safetensors import safe_open

    own = {_bare(name): tensor for name, tensor in body.state_dict(keep_vars=True).items()}
    with safe_open(folder / PEFT_WEIGHTS, framework="pt") as stored:
        for name in stored.keys():  # noqa: SIM118 - no dict
            tensor = own.get(_bare(name))
            if tensor is not None and not torch.equal(stored.get_tensor(name).to(tensor), tensor):
                raise ValueError(f"{name} is a weight of the backbone, and other numbers stand there")


def _bare(name: str) -> str:
    """Return the name that a tensor of the backbone has without peft."""
    return name.removeprefix("base_model.model.").replace(".base_layer.", ".")
