"""Weights that no single device holds: each of several processes holds a part of every tensor (FSDP2).

``accelerate launch --use_fsdp --fsdp_version 2`` asks for it. A model stands whole in the memory of the processor, and
whoever reads or stores its weights finds them there. For a fit, and for answers, a copy that takes its numbers from it
is dealt out over the devices of all processes; after a fit, what was trained is collected again.
"""

from __future__ import annotations

import copy
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.device import accelerator
from adapter_workbench.workbench.machine.processes import shards

if TYPE_CHECKING:
    from torch import Tensor, nn

ModelT = TypeVar("ModelT", bound="nn.Module")
EFFICIENT_LOADING = "FSDP_CPU_RAM_EFFICIENT_LOADING"  # transformers reads it: only the first process would load


def require_second_version() -> None:
    """Make sure that processes that share the weights do so by FSDP2.

    Raises:
        InputError: they were told to use the first one, which makes one flat tensor of all weights.
    """
    version = os.environ.get("FSDP_VERSION", "1")
    if shards() and version != "2":
        hint = "Add --fsdp_version 2 to `accelerate launch`."
        raise InputError(f"FSDP of version {version} is not supported", where="--use_fsdp", hint=hint)


@contextmanager
def read_by_all() -> Iterator[None]:
    """Let every process load the weights while the block runs; some launchers have only the first one load them."""
    before = os.environ.get(EFFICIENT_LOADING)
    if before is None:
        yield
        return
    os.environ[EFFICIENT_LOADING] = "false"
    try:
        yield
    finally:
        os.environ[EFFICIENT_LOADING] = before


@contextmanager
def apart_for_training(model: ModelT) -> Iterator[ModelT]:
    """Yield the model that is to be trained: ``model``, or a copy that may be dealt out.

    After the block the trained weights of the copy are those of ``model``. All processes do this in step.
    """
    if not shards():
        yield model
        return
    twin = _twin(model)
    yield twin
    collected = {name: parameter for name, parameter in twin.named_parameters() if parameter.requires_grad}
    for name, parameter in collected.items():
        model.get_parameter(name).data.copy_(full_tensor(parameter))
    for name, buffer in twin.named_buffers():
        model.get_buffer(name).copy_(buffer)


@contextmanager
def apart_for_answers(model: ModelT) -> Iterator[ModelT]:
    """Yield the model that is to be asked: ``model``, or a copy that is dealt out; all processes do this in step."""
    if not shards():
        yield model
        return
    from torch.distributed.fsdp import FSDPModule

    if isinstance(model, FSDPModule):  # in a fit; parts of it are called that have no weights of their own in shards
        model.unshard()
        yield model
        model.reshard()
        return
    twin = _twin(model)
    _deal_for_answers(twin)
    yield twin


def full_tensor(tensor: Tensor) -> Tensor:
    """Return a tensor with all its numbers; all processes do this in step.

    Of one that is dealt out they come to the processor's memory: of all tensors together a device may hold only parts.
    """
    from torch.distributed.tensor import DTensor

    detached: Tensor = tensor.detach()
    return detached.full_tensor().cpu() if isinstance(detached, DTensor) else detached


def copy_into(numbers: Tensor, parameter: Tensor) -> None:
    """Copy ``numbers`` into a parameter, of which this process may hold a part."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if isinstance(parameter, DTensor) and not isinstance(numbers, DTensor):
        numbers = distribute_tensor(numbers.to(parameter.device), parameter.device_mesh, parameter.placements)
    parameter.copy_(numbers)


def set_up(trainer: Any) -> None:
    """Have transformers' ``trainer`` deal its model out.

    accelerate does so on accelerators only. On processors, which serve for trials, it is made to do so too.
    """
    from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
    from torch.distributed.fsdp.wrap import transformer_auto_wrap_policy

    state = trainer.accelerator.state
    if state.distributed_type is DistributedType.MULTI_CPU:
        state.distributed_type, state.fsdp_plugin = DistributedType.FSDP, FullyShardedDataParallelPlugin()
        trainer.is_fsdp_enabled = True
    plugin = state.fsdp_plugin
    plugin.cpu_ram_efficient_loading = False
    plugin.auto_wrap_policy = plugin.auto_wrap_policy or transformer_auto_wrap_policy
    plugin.transformer_cls_names_to_wrap = plugin.transformer_cls_names_to_wrap or _layer_names(trainer.model)


def _twin(model: ModelT) -> ModelT:
    """Return a copy with tensors of its own, whose numbers are those of ``model`` in the same memory."""
    from torch import nn

    shared: dict[int, Any] = {
        id(parameter): nn.Parameter(parameter.detach(), requires_grad=parameter.requires_grad)
        for parameter in model.parameters()
    }
    shared |= {id(buffer): buffer.detach() for buffer in model.buffers()}
    return copy.deepcopy(model, shared)


def _deal_for_answers(model: Any) -> None:
    """Deal the body out, layer by layer; a head is small, and every process holds it."""
    from accelerate import PartialState
    from torch.distributed.fsdp import fully_shard

    PartialState(cpu=accelerator().type == "cpu")  # brings the processes together, where no fit has done so
    names = set(_layer_names(model))
    for module in model.body.modules():
        if module is not model.body and type(module).__name__ in names:
            fully_shard(module)
    fully_shard(model.body)
    model.head.to(accelerator())


def _layer_names(model: nn.Module) -> list[str]:
    """Return the names of the classes of layers: those that transformers says not to split.

    Layers that share weights with modules outside of them are left out: they are collected with the rest of the model.
    """
    unsplit = {name for module in model.modules() for name in getattr(module, "_no_split_modules", None) or ()}
    layers = [module for module in model.modules() if type(module).__name__ in unsplit]
    everywhere = _uses(model)
    apart = {
        type(layer).__name__ for layer in layers if any(everywhere[use] > own for use, own in _uses(layer).items())
    }
    return sorted({type(layer).__name__ for layer in layers} - apart)


def _uses(module: nn.Module) -> Counter[int]:
    """Return how often each tensor stands in a module."""
    return Counter(id(parameter) for _, parameter in module.named_parameters(remove_duplicate=False))
