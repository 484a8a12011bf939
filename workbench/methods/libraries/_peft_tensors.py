"""Every tensor in the file of a peft adapter has its place in the model, and none replaces one of the backbone's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.adapters.adapter_folder import PEFT_WEIGHTS, read_config
from adapter_workbench.workbench.backbone.model_folder import tensor_names
from adapter_workbench.workbench.machine.quiet import without_advice
from adapter_workbench.workbench.methods.libraries._places import require_all

if TYPE_CHECKING:
    from torch import Tensor, nn

NAME = "default"  # peft's, of an adapter that has none


def require_places(model: Any, folder: Path, name: str = NAME) -> None:
    """Make sure that the file of an adapter, which was loaded as ``name``, holds its tensors and no others.

    What is the backbone's own may be there: peft writes an embedding that it adapts.

    Raises:
        ValueError: a tensor is missing, or peft has dropped it.
    """
    from peft import get_peft_model_state_dict

    backbone = {_bare(tensor) for tensor in model.get_base_model().state_dict(keep_vars=True)}
    stored = tensor_names(folder / PEFT_WEIGHTS)
    with without_advice("peft"):
        made = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
    require_all(*([tensor for tensor in names if _bare(tensor) not in backbone] for names in (stored, made)))


def require_own_unchanged(body: nn.Module, folder: Path) -> None:
    """Make sure that the file of an adapter would put no other numbers in the place of the backbone's own.

    Raises:
        ValueError: it would; peft loads whatever has a name in the model.
    """
    own_replaced(body, folder, with_biases=False)


def own_replaced(body: nn.Module, folder: Path, with_biases: bool) -> dict[str, Tensor]:
    """Return copies of those of the backbone's own weights that the file of an adapter would replace, by name.

    Modules that were trained whole are not among them: peft puts a copy of each beside the backbone's own.

    Args:
        body: the bare backbone.
        folder: of the adapter.
        with_biases: whether the adapter's config says that it trained biases of the backbone's own.

    Raises:
        ValueError: others than such biases would be replaced.
    """
    import torch
    from safetensors import safe_open

    saved_modules = tuple(read_config(folder).get("modules_to_save") or ())
    body_tensors = {_bare(name): tensor for name, tensor in body.state_dict(keep_vars=True).items()}
    replaced: dict[str, Tensor] = {}
    with safe_open(folder / PEFT_WEIGHTS, framework="pt") as stored:
        for name in stored.keys():  # noqa: SIM118 - no dict
            bare = _bare(name)
            if bare not in body_tensors or _is_within(bare, saved_modules):
                continue
            if torch.equal(stored.get_tensor(name).to(body_tensors[bare]), body_tensors[bare]):
                continue
            if not with_biases or not bare.endswith(".bias"):
                raise ValueError(f"{name} is a weight of the backbone, but its numbers differ")
            replaced[bare] = body_tensors[bare].detach().clone()
    return replaced


def put_back_own(model: Any) -> None:
    """Put the backbone's own modules and biases back where an adapter has others.

    Args:
        model: a ``PeftModel``; what it replaced, :func:`own_replaced`, is its ``pretrained``.
    """
    import torch
    from peft.utils.other import AuxiliaryTrainingWrapper

    base = model.get_base_model()
    for name, module in list(base.named_modules()):
        if isinstance(module, AuxiliaryTrainingWrapper):
            parent, _, child = name.rpartition(".")
            setattr(base.get_submodule(parent), child, module.original_module)
    base_weights = {_bare(name): weight for name, weight in base.named_parameters()}
    with torch.no_grad():
        for name, value in getattr(model, "pretrained", {}).items():
            base_weights[name].copy_(value)


def _is_within(name: str, modules: tuple[str, ...]) -> bool:
    """Return whether a tensor is of one of ``modules``, which peft names by the ends of their names."""
    path = name.split(".")
    return any(".".join(path[:size]).endswith(modules) for size in range(1, len(path)))


def _bare(name: str) -> str:
    """Return the name that a tensor of the backbone has without peft."""
    return name.removeprefix("base_model.model.").replace(".base_layer.", ".")
