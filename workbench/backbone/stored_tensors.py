"""Which tensor of a checkpoint each parameter of a model is, by the files' headers alone; read one after another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.backbone.config import read_json
from adapter_workbench.workbench.backbone.model_folder import INDEX, tensor_names, weight_files
from adapter_workbench.workbench.errors import opening

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor, nn

WIDENED = frozenset({"F32", "F16", "BF16"})  # types whose numbers are all numbers of float32
CHUNK = 1 << 22  # numbers that are widened at a time


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of a safetensors file."""

    file: Path  # that holds it
    name: str  # in the file
    type: str  # of its numbers, as safetensors calls it: ``BF16``
    shape: tuple[int, ...]  # its sizes

    @property
    def numbers(self) -> int:
        """How many it holds."""
        return math.prod(self.shape)

    def chunks(self) -> Iterator[Tensor]:
        """Yield its numbers in row-major order, in float32, some at a time (numbers,).

        The file is mapped for this tensor alone, so that no more of it stays in memory.
        """
        import torch
        from safetensors import safe_open

        with safe_open(self.file, framework="pt") as tensors:
            flat = tensors.get_tensor(self.name).flatten()
        for chunk in flat.split(CHUNK):
            yield chunk.to(torch.float32)

    def read(self) -> Tensor:
        """Return the tensor, in float32 if its type is in ``WIDENED``; a view of the mapped file if it already is."""
        import torch
        from safetensors import safe_open

        with safe_open(self.file, framework="pt") as tensors:
            tensor: Tensor = tensors.get_tensor(self.name)
        return tensor.to(torch.float32) if self.type in WIDENED else tensor


@dataclass(frozen=True)
class Assignment:
    """What transformers would load into a model from a checkpoint."""

    # the stored tensor of each parameter, in the model's order and by the first of its names
    parameters: Mapping[str, StoredTensor]
    buffers: Mapping[str, StoredTensor]  # the stored tensor of each buffer that is saved with the model
    unexpected: Sequence[str]  # names in the checkpoint that the model has no place for


def assign_tensors(model: Any, folder: Path) -> Assignment | None:
    """Return which tensors of the checkpoint in ``folder`` the parameters of ``model`` are.

    Args:
        model: of transformers; only names and shapes are looked at, so it may be without numbers.
        folder: with safetensors weights.

    Returns:
        None where transformers would do more than to copy tensors and widen them to float32: draw what is missing,
        rename, choose among several, or refuse.

    Raises:
        InputError: the files cannot be read.
    """
    stored = stored_in(folder)
    if stored is None or getattr(model, "_checkpoint_conversion_mapping", None):
        return None
    named, unexpected = _by_the_models_names(model, stored)
    names_of: dict[int, list[str]] = {}
    tensors: dict[str, Any] = model.state_dict(keep_vars=True)
    for name, tensor in tensors.items():
        names_of.setdefault(id(tensor), []).append(name)
    if any(aliases[0] not in named for aliases in names_of.values()):
        return None
    parameters = {}
    for name, parameter in model.named_parameters():
        sources = [named[alias] for alias in names_of.get(id(parameter), ()) if alias in named]
        if not sources or any(not _is_copied(source, parameter) for source in sources) or not _are_equal(sources):
            return None
        parameters[name] = sources[0]
    buffer_names = {name for name, _ in model.named_buffers()}
    buffers = {name: named[name] for name in buffer_names & tensors.keys() & named.keys()}
    unexpected += [name for name in named if name not in tensors and name not in buffer_names]
    return Assignment(parameters, buffers, sorted(unexpected))


def stored_in(folder: Path) -> dict[str, StoredTensor] | None:
    """Return the tensors of a checkpoint by their names; None where the files do not agree on them.

    Raises:
        InputError: the files cannot be read.
    """
    from safetensors import safe_open

    stored: dict[str, StoredTensor] = {}
    files = weight_files(folder)
    for file in files:
        with opening("the weights", str(file), "Fetch the model again."), safe_open(file, framework="pt") as tensors:
            if (tensors.metadata() or {}).get("format", "pt") != "pt":
                return None
            for name in tensors.keys():  # noqa: SIM118 - no dict
                if name in stored:
                    return None
                tensor_slice = tensors.get_slice(name)
                stored[name] = StoredTensor(file, name, tensor_slice.get_dtype(), tuple(tensor_slice.get_shape()))
    index = _index(folder)
    if files[0].name in index.values() and index != {name: tensor.file.name for name, tensor in stored.items()}:
        return None
    return stored


def only_indexed(folder: Path) -> str:
    """Return the first tensor that the index of a checkpoint names and its files lack; empty where there is none."""
    stored = {name for file in weight_files(folder) for name in tensor_names(file)}
    return min({*_index(folder)} - stored, default="")


def _index(folder: Path) -> Mapping[str, str]:
    index = folder / INDEX
    named: Mapping[str, str] = read_json(index)["weight_map"] if index.is_file() else {}
    return named


def _by_the_models_names(
    model: nn.Module, stored: Mapping[str, StoredTensor]
) -> tuple[dict[str, StoredTensor], list[str]]:
    """Return the tensors by the names that ``model`` has for them, and the names of those that it drops."""
    prefix = getattr(model, "base_model_prefix", "")
    prefixed = bool(prefix) and any(name.startswith(prefix) for name in stored)
    has_head = bool(prefix) and hasattr(model, prefix)  # the model has a head above what other models consist of
    if prefixed and not has_head:
        start = f"{prefix}."
        named = {name.removeprefix(start): tensor for name, tensor in stored.items() if name.startswith(start)}
        return named, [name for name in stored if not name.startswith(start)]
    if prefix and has_head and not prefixed:
        return {f"{prefix}.{name}": tensor for name, tensor in stored.items()}, []
    return dict(stored), []


def _is_copied(stored: StoredTensor, parameter: Tensor) -> bool:
    return stored.type in WIDENED and stored.shape == tuple(parameter.shape)


def _are_equal(sources: Sequence[StoredTensor]) -> bool:
    """Return whether tensors that are one in the model are equal in the files; else the last one read would count."""
    import torch

    first, *further = sources
    return all(
        torch.equal(left.view(torch.int32), right.view(torch.int32))
        for source in further
        for left, right in zip(first.chunks(), source.chunks(), strict=True)
    )
