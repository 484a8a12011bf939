"""A made-up accelerator for machines without one: ``pytest -p tests.simulated_accelerator …`` runs any test on it.

Its tensors lie in the processor's memory and say that they do not, and its operations are the processor's own. Like
those of a real one they refuse tensors that are elsewhere, and its tensors cannot be read by numpy. So what was put
together across devices fails here as it would there; what is fast or slow, this cannot tell. At the end stands how many
operations it did.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as tree
from torch.utils import backend_registration

NAME = "simulated"
aten: Any = torch.ops.aten
MOVES = {aten._to_copy.default, aten.copy_.default, aten._copy_from.default}
INDEXING = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default}
done: Counter[str] = Counter()  # operation → how often it ran on the accelerator


class Simulated(Tensor):
    """A tensor of the accelerator; ``own`` is its content."""

    own: Tensor

    @staticmethod
    def __new__(cls, own: Tensor) -> Simulated:
        shape = {"strides": own.stride(), "storage_offset": own.storage_offset(), "layout": own.layout}
        made: Simulated = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, own.shape, dtype=own.dtype, device=torch.device(NAME, 0), **shape
        )
        made.own = own
        return made

    def __getitem__(self, index: Any) -> Any:
        return super().__getitem__(torch.tensor(index) if isinstance(index, list) else index)

    def __deepcopy__(self, memo: Any) -> Tensor:
        own = Simulated(self.own.detach().clone())
        made = torch.nn.Parameter(own, self.requires_grad) if isinstance(self, torch.nn.Parameter) else own
        memo[id(self)] = made
        return made

    def __repr__(self, **_: Any) -> str:
        return f"{self.own!r} on the simulated accelerator"

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def data_ptr(self) -> int:
        return self.own.data_ptr()

    def untyped_storage(self) -> Any:
        return self.own.untyped_storage()

    def numpy(self, **_: Any) -> Any:
        raise TypeError(f"can't convert {NAME} tensor to numpy: use Tensor.cpu() first")

    __array__ = numpy

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(operation, *args, **(kwargs or {}))


def computed(operation: Any, *args: Any, **kwargs: Any) -> Any:
    """Do one operation with the processor's kernel; refuse what lies on both devices."""
    tensors = [leaf for leaf in tree.tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    here = [tensor for tensor in tensors if isinstance(tensor, Simulated)]
    elsewhere = [tensor for tensor in tensors if not isinstance(tensor, Simulated) and tensor.dim()]
    if here and elsewhere and operation not in MOVES | INDEXING:
        raise RuntimeError(f"Expected all tensors to be on the same device, but {operation} got {NAME} and cpu")
    done[str(operation)] += 1
    target = torch.device(kwargs["device"]) if kwargs.get("device") is not None else None
    moved = {"device": torch.device("cpu")} if target else {}
    own_args, own_kwargs = tree.tree_map_only(Simulated, lambda tensor: tensor.own, (args, {**kwargs, **moved}))
    result = operation(*own_args, **own_kwargs)
    if operation in MOVES - {aten._to_copy.default}:  # (to, from, …), and for _copy_from (from, to, …)
        return args[operation is aten._copy_from.default]
    if target and target.type != NAME:
        return result
    # a tensor that was changed in place comes back as the same object
    simulated_of = {id(tensor.own): tensor for tensor in here}
    return tree.tree_map_only(
        Tensor, lambda tensor: simulated_of[id(tensor)] if id(tensor) in simulated_of else Simulated(tensor), result
    )


class Backend(backend_registration._DummyBackendModule):
    """What torch asks of a device's module."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]

    def get_rng_state(self, device: Any = None) -> Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: Tensor, device: Any = None) -> None:
        torch.set_rng_state(state)


def then_moved(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Let ``make`` work on the processor, and move what it made; torch's own ways fill or resize tensors in place."""

    def made(*args: Any, device: Any = None, **kwargs: Any) -> Tensor:
        tensor = make(*args, **kwargs)
        return tensor if device is None or torch.device(device).type != NAME else tensor.to(device)

    return made


def swapped(first: Tensor, second: Tensor) -> None:
    """Let two tensors change places, as ``torch.utils.swap_tensors`` does, whoever else refers to them."""
    first.__class__, second.__class__ = second.__class__, first.__class__
    first.__dict__, second.__dict__ = second.__dict__, first.__dict__
    torch._C._swap_tensor_impl(first, second)  # type: ignore[attr-defined]


def install() -> None:
    """Make it this process's accelerator, for torch and for accelerate."""
    backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=Backend())
    kept.fallback(computed, "PrivateUse1")
    for name in ("tensor", "as_tensor", "arange", "eye"):
        setattr(torch, name, then_moved(getattr(torch, name)))
    torch.inference_mode = torch.no_grad  # type: ignore[assignment, misc]  # which tensors of this kind cannot be in
    torch.__future__.set_swap_module_params_on_conversion(True)  # a moved parameter stays the object that it is
    torch.utils.swap_tensors = swapped
    torch.accelerator.empty_cache = lambda: None  # accelerate 1.16 asks it of torch: there is no allocator here
    os.environ["ACCELERATE_TORCH_DEVICE"] = NAME


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"{done.total()} operations on the simulated accelerator")


kept = torch.library.Library("_", "IMPL")  # what it registers ends with it
install()
