"""Where in a model peft has put something: read off the ``PeftModel``, which has looked its config's patterns up.

The layers of a head are taken out of what peft wraps around them.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Literal

from torch import nn

from adapter_workbench.workbench.answering.elsewhere.peft_config import TrainedModules
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

WRAPPERS = ("ModulesToSaveWrapper", "TrainableTokensWrapper")
WRITTEN = "Let the base model be written with it, to a folder of your choice: --backbone-to FOLDER."
MERGED = "Merge the adapter into a model of its own (peft: merge_and_unload, save_pretrained), and import that."
POOLER = "pooler"  # a module that the transformer brings and only a head reads


def trained_modules(program: Any, prefix: str) -> TrainedModules:
    """Return what a ``PeftModel`` has put on the transformer whose name inside the class is ``prefix``."""
    modules, parameters = (
        {name.removeprefix(prefix): name for name in _targeted(program, which) if name.startswith(prefix)}
        for which in ("module", "parameter")
    )
    return TrainedModules(
        prefix=prefix,
        adapted=modules,
        parameters=parameters,
        whole=tuple(
            name for name, _ in _wrapped_modules(program, prefix, "ModulesToSaveWrapper") if not _is_pooler(name)
        ),
        tokens={
            name: [int(token) for token in module.token_adapter.token_indices["default"]]
            for name, module in _wrapped_modules(program, prefix, "TrainableTokensWrapper")
        },
    )


def trained_poolers(program: Any, prefix: str) -> list[str]:
    """Return the names inside the class of modules of the pooler that were trained whole: they belong to the head."""
    names = [name for name, _ in _wrapped_modules(program, prefix, "ModulesToSaveWrapper")]
    return [f"{prefix}{name}" for name in names if _is_pooler(name)]


def require_own_output(program: Any, outside: Iterable[str], where: str) -> None:
    """Make sure that a language model's output layer is the base model's own.

    Args:
        program: a ``PeftModel``.
        outside: names of the layers outside the transformer.
        where: the sender's config file.

    Raises:
        InputError: it was adapted, or trained whole; the layer is named.
    """
    trained = [*_targeted(program, "module"), *(name.rpartition(".")[0] for name in _targeted(program, "parameter"))]
    trained += [name for wrapper in WRAPPERS for name, _ in _wrapped_modules(program, "", wrapper)]
    if layer := next((name for name in outside if name in trained), None):
        message = f"{layer} was trained, and answers are generated here with the base model's own output layer"
        raise InputError(message, where=where, hint=f"{WRITTEN} {MERGED}")


def require_named(trained: TrainedModules, modules: Iterable[str], where: str) -> None:
    """Make sure that peft picks the same modules on the transformer alone, which it knows by the ends of their names.

    Args:
        trained: what was trained whole, or of some tokens.
        modules: the names of the transformer's modules.
        where: the sender's config file.

    Raises:
        InputError: it would take another module for one of them too: ``input_layernorm`` for ``norm``.
    """
    ends = (*trained.whole, *trained.tokens)
    if ends and (other := next((name for name in modules if name.endswith(ends) and name not in ends), None)):
        end = next(end for end in ends if other.endswith(end))
        message = f"{end} was trained whole; on the bare transformer peft would mistake {other} for it"
        raise InputError(message, where=where, hint=MERGED)


def head_of(program: Any, names: Sequence[str]) -> dict[str, nn.Module]:
    """Return the layers between the transformer and the logits by name, an update of peft's written into their weights.

    Args:
        program: a ``PeftModel``.
        names: of the layers inside the class.
    """
    model = program.get_base_model()
    return {name: _effective(_submodule(model, name)) for name in names}


def poolers(model: nn.Module, prefix: str) -> list[str]:
    """Return the names of the transformer's own layers that a head alone reads.

    Args:
        model: the sender's class, with nothing of peft in it.
        prefix: the transformer's name inside it, with a dot.
    """
    inside = f"{prefix}{POOLER}."  # ALBERT's is a layer itself
    layers = {name: module for name, module in model.named_modules() if f"{name}.".startswith(inside)}
    return [name for name, module in layers.items() if isinstance(module, nn.Linear)]


def _targeted(program: Any, which: Literal["module", "parameter"]) -> Sequence[str]:
    """Return the names inside the class of what has an update; a prompt changes nothing there."""
    return getattr(program.base_model, f"targeted_{which}_names", ())


def _wrapped_modules(program: Any, prefix: str, wrapper: str) -> Iterator[tuple[str, Any]]:
    """Yield the transformer's modules that peft has wrapped so, by the transformer's own names."""
    from peft.utils import other

    for name, module in program.get_base_model().named_modules():
        if isinstance(module, getattr(other, wrapper)) and name.startswith(prefix):
            yield name.removeprefix(prefix), module


def _is_pooler(name: str) -> bool:
    return name.split(".")[0] == POOLER


def _submodule(model: nn.Module, name: str) -> nn.Module:
    """Return a submodule, at each step the trained copy of one that was trained whole."""
    module: Any = model
    for part in name.split("."):
        module = getattr(module, part)
        if hasattr(module, "modules_to_save"):
            module = module.modules_to_save[module.active_adapters[0]]
    submodule: nn.Module = module
    return submodule


def _effective(layer: Any) -> nn.Module:
    """Return a plain layer; one with an update beside it as a copy that has the sum."""
    if not hasattr(layer, "get_base_layer"):
        plain: nn.Module = layer
        return plain
    merged = copy.deepcopy(layer)
    merged.merge()
    base: nn.Module = merged.get_base_layer()
    return base
