"""A resident copy of a backbone straight from its files: no model is loaded for it, and no second copy is in memory.

Linear layers whose weights stay in bfloat16 compute in float32. A layer widens its weights when it multiplies, in the
forward pass and once more in the backward pass, and keeps nothing of that: at any time one layer is there in float32.
Widening rounds nothing, and all products are torch's own on the same numbers, so whatever is computed is the same to
the last bit as with weights that were widened once for all.
"""

from __future__ import annotations

import copy
import platform
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional

from adapter_workbench.workbench.backbone.architecture import skeleton
from adapter_workbench.workbench.backbone.bf16_matrices import kept_narrow
from adapter_workbench.workbench.backbone.checkpoint import BROKEN, require_whole
from adapter_workbench.workbench.backbone.fingerprints import state_of
from adapter_workbench.workbench.backbone.shared_weights import Resident
from adapter_workbench.workbench.backbone.stored_tensors import assign_tensors
from adapter_workbench.workbench.backbone.transformers_api import quietly
from adapter_workbench.workbench.errors import InputError, UnwritableError, opening
from adapter_workbench.workbench.files.cache import cache_folder
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.files.locks import hold
from adapter_workbench.workbench.machine.memory_file import MemoryFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor
    from transformers import PretrainedConfig

    from adapter_workbench.workbench.backbone.stored_tensors import Assignment, StoredTensor

REVISION = 1  # of the content of the file: a file of another revision is not used


def load_widened(folder: Path, config: PretrainedConfig, narrow_too: bool) -> Resident | None:
    """Return a resident copy of the transformer in ``folder``; a part of one tensor is read at a time.

    Its weights are those of another process of this machine that has a copy of the same files, if there is one.

    Args:
        folder: of the files.
        config: of the transformer.
        narrow_too: whether matrices that are stored in bfloat16 stay so (:mod:`.bf16_matrices`); all
            else is in float32.

    Returns:
        None where only loading can make one, or where the files hold most of it in float32 already.

    Raises:
        InputError: the weights cannot be read, or are not those that the config describes.
        OSError: there is no room for it.
    """
    assignment = assign_tensors(skeleton(config), folder)
    if assignment is None or not _are_narrow(assignment):
        return None
    require_whole(folder, config, {"missing_keys": [], "unexpected_keys": assignment.unexpected})
    stored = assignment.parameters
    narrow = kept_narrow(skeleton(config), assignment) if narrow_too else frozenset()
    file = _one_file(folder, stored, [torch.bfloat16 if name in narrow else torch.float32 for name in stored])
    views = dict(zip(stored, file.map_tensors(), strict=True))
    # transformers would widen a matrix: it gets room for one, which takes no memory as long as nobody writes to it
    parameters = {name: torch.empty(view.shape) if name in narrow else view for name, view in views.items()}
    buffers = {name: tensor.read() for name, tensor in assignment.buffers.items()}
    with suppress(InputError):  # if something fails here, loading reports it
        model = _build({**parameters, **buffers}, folder, config)
        if [tensor.data_ptr() for tensor in model.parameters()] == [
            tensor.data_ptr() for tensor in parameters.values()
        ]:
            for name in narrow:
                model.get_parameter(name).data = views[name]
            return Resident(model, file)
    return None


def _one_file(folder: Path, stored: Mapping[str, StoredTensor], types: Sequence[torch.dtype]) -> MemoryFile:
    """Return a sealed file of the tensors in these types: that of another process of this machine, if one holds it."""
    shapes = [tuple(tensor.shape) for tensor in stored.values()]
    if (state := state_of(folder)) is None:  # the files may change unnoticed
        return _write(MemoryFile(shapes, types), stored, types)
    name = f"weights-{key([state, [*stored], shapes, [str(kind) for kind in types], REVISION])[:32]}"
    lock = cache_folder() / "widening" / f"{platform.node()}-{name}.lock"
    with ExitStack() as alone:
        with suppress(UnwritableError, OSError):  # without it, processes that begin together make a copy each
            alone.enter_context(hold(lock, wait=True))
        return MemoryFile.find_sealed(shapes, types, name) or _write(MemoryFile(shapes, types, name), stored, types)


def _write(file: MemoryFile, stored: Mapping[str, StoredTensor], types: Sequence[torch.dtype]) -> MemoryFile:
    for number, (tensor, kind) in enumerate(zip(stored.values(), types, strict=True)):
        file.write(number, (chunk.to(kind) for chunk in tensor.chunks()))
    file.seal()
    return file


def narrow_matrices(body: nn.Module, folder: Path, config: PretrainedConfig) -> nn.Module:
    """Return a loaded ``body`` with its matrices in bfloat16 where the files in ``folder`` have them so."""
    for name in stored_narrow(folder, config):
        parameter = body.get_parameter(name)
        parameter.data = parameter.data.to(torch.bfloat16)
    return body


def stored_narrow(folder: Path, config: PretrainedConfig) -> frozenset[str]:
    """Return the names of the matrices that can stay in bfloat16; empty where this is known only after loading."""
    assignment = assign_tensors(skeleton(config), folder)
    return kept_narrow(skeleton(config), assignment) if assignment else frozenset()


class WidenedLinear(nn.Linear):
    """A linear layer whose weights are widened for each product; an autocast region narrows what it reads instead."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # torch's name
        """Return x Wᵀ + b in float32: (…, in_features) → (…, out_features)."""
        if self.weight.dtype is torch.float32 or torch.is_autocast_enabled(input.device.type):
            return super().forward(input)
        wide = self.weight.float()
        own = wide.device, wide.untyped_storage().data_ptr()

        def pack(saved: Tensor) -> Any:  # autograd keeps this function, which must not keep ``wide``
            is_wide = (saved.device, saved.untyped_storage().data_ptr()) == own
            return (saved.size(), saved.stride(), saved.storage_offset()) if is_wide else saved

        def unpack(kept: Any) -> Tensor:
            return kept if isinstance(kept, torch.Tensor) else self.weight.float().as_strided(*kept)

        with saved_tensors_hooks(pack, unpack):
            return functional.linear(input, wide, self.bias)


def compute_widened(body: nn.Module) -> nn.Module:
    """Let the linear layers of ``body`` with weights in bfloat16 compute in float32, in place, and return it."""
    for module in body.modules():
        if type(module) is nn.Linear and module.weight.dtype is torch.bfloat16:
            module.__class__ = WidenedLinear
    return body


def _build(weights: Mapping[str, Tensor], folder: Path, config: PretrainedConfig) -> nn.Module:
    """Return what transformers makes of these weights; it copies none that has the right type."""
    empty: Any = skeleton(config)
    with opening("the model", str(folder), BROKEN), torch.random.fork_rng(devices=[]), quietly():
        body = empty.from_pretrained(None, config=copy.deepcopy(config), state_dict=weights, dtype=torch.float32)
    body.name_or_path = body.config.name_or_path = str(folder)  # transformers sets no name for weights in memory
    model: nn.Module = body.eval()
    return model


def _are_narrow(assignment: Assignment) -> bool:
    """Return whether most numbers are stored in fewer bits than float32's."""
    sizes = [(tensor.type != "F32", tensor.numbers) for tensor in assignment.parameters.values()]
    return 2 * sum(numbers for narrow, numbers in sizes if narrow) > sum(numbers for _, numbers in sizes)
