"""What an adapter's modules and tensors are called where a class of transformers is around the transformer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.answering.elsewhere.peft_weights import START

if TYPE_CHECKING:
    from torch import nn

ANCHOR = "^"  # an expression for a module that begins with it names the whole of it


def tensors_in_class(names: Iterable[str], prefix: str) -> dict[str, str]:
    """Return what each tensor of a stored adapter is called in the class.

    Args:
        names: of the tensors; what belongs to no module, as VeRA's shared matrices and virtual tokens, keeps its name.
        prefix: the transformer's name inside the class, with a dot.
    """
    return {name: f"{START}{prefix}{name.removeprefix(START)}" if name.startswith(START) else name for name in names}


def targets_in_class(
    model: nn.Module, modules: Iterable[str], among: Iterable[str] = ()
) -> tuple[list[str], list[str]]:
    """Return names that pick these modules of ``model`` and no others, and names for those ``among`` them.

    They are the last parts of the modules' names where those are enough, else the whole names.
    """
    has: Any = Counter(_last(name) for name, _ in model.named_modules())
    sets = [*modules], [*among]
    if all(has[name] == count for names in sets for name, count in Counter(map(_last, names)).items()):
        sets = [*map(_last, sets[0])], [*map(_last, sets[1])]
    first, some = (sorted({*names}) for names in sets)
    return first, some


def patterns_in_class(config: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return ranks and alphas of a config that differ from module to module, by names in the class."""
    changed: dict[str, Any] = {}
    for key in ("rank_pattern", "alpha_pattern"):
        if pattern := config.get(key):
            by_tensor = config["peft_type"] == "ADALORA"  # which directions are left, by the names of tensors
            changed[key] = {_inside(name, prefix, by_tensor): value for name, value in pattern.items()}
    return changed


def _inside(name: str, prefix: str, is_whole: bool) -> str:
    """Return a name or an expression in the class; peft compares one without an anchor with a name's end."""
    if name.startswith(ANCHOR):
        return f"{ANCHOR}{prefix}{name.removeprefix(ANCHOR)}"
    return f"{prefix}{name}" if is_whole else name


def _last(name: str) -> str:
    return name.rpartition(".")[2]
