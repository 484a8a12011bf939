"""One copy of a backbone's weights in a process: every model maps it, and owns only the pages that it writes to.

Weights that a checkpoint has in float32 are mapped from their file as they are. Others are widened, which takes time
and as much memory as a model: that is done once, into a file that exists in memory alone. It is sealed, so that nobody
can change it, and mapped privately, so that a model that is trained or merged changes none of the others.
"""

from __future__ import annotations

import copy
from contextlib import suppress
from threading import RLock
from typing import TYPE_CHECKING, Any

from torch import nn

from adapter_workbench.workbench.machine.memory_file import MemoryFile
from adapter_workbench.workbench.machine.page_table import are_unwritten, is_told

if TYPE_CHECKING:
    from collections.abc import Callable

_resident: dict[tuple[str, str], Resident] = {}  # only of the files that were read last, by state and arithmetic
_changing = RLock()  # a server opens adapters in one thread while another reads


class Resident:
    """A model whose weights are in a memory file; copies of it share them."""

    def __init__(self, model: nn.Module, file: MemoryFile) -> None:
        """Take over ``model``, whose parameters are the tensors in ``file``, in their order."""
        self._model, self.file = model, file

    def copy(self) -> nn.Module:
        """Return a model of its own with the same weights; nothing of them is copied until it is written to."""
        shared: dict[int, Any] = {
            id(parameter): nn.Parameter(view, requires_grad=parameter.requires_grad)
            for parameter, view in zip(self._model.parameters(), self.file.map_tensors(), strict=True)
        }
        return copy.deepcopy(self._model, shared)


def open_shared(
    state: str | None, width: str, load: Callable[[], nn.Module], widen: Callable[[], Resident | None]
) -> nn.Module:
    """Return what ``load`` would: a model of its own, whose weights are those of the resident copy where there is one.

    Args:
        state: of the files that are read; None where they may change unnoticed.
        width: of its matrices: models of one width share their weights.
        load: returns the model in float32.
        widen: returns a resident copy that is made without a model in memory; None where there cannot be one.
    """
    if state is None or not is_told():
        return load()
    with _changing:
        return _open_shared(state, width, load, widen)


def _open_shared(
    state: str, width: str, load: Callable[[], nn.Module], widen: Callable[[], Resident | None]
) -> nn.Module:
    if (state, width) not in _resident:
        if any(other != state for other, _ in _resident):
            release()
        with suppress(OSError):  # no room for it
            if made := widen():
                _resident[state, width] = made
    if (state, width) not in _resident:
        model = load()
        if not _can_move(model):
            return model
        try:
            _resident[state, width] = move_weights(model)
        except OSError:
            return model
    return _resident[state, width].copy()


def release() -> None:
    """Release the resident copy; models that map it stay valid."""
    with _changing:
        _resident.clear()


def move_weights(model: nn.Module) -> Resident:
    """Return a resident copy made of a loaded model, whose weights are moved one after another: none is there twice.

    Raises:
        OSError: there is no room for it; ``model`` is as it was, wherever its weights are now.
    """
    parameters = list(model.parameters())
    file = MemoryFile([parameter.shape for parameter in parameters], [parameter.dtype for parameter in parameters])
    for number, (parameter, view) in enumerate(zip(parameters, file.map_tensors(), strict=True)):
        file.write(number, [parameter])
        parameter.data = view
    file.seal()
    return Resident(model, file)


def _can_move(model: nn.Module) -> bool:
    """Return whether most of the weights are in memory of the process, each for itself, and not pages of a file."""
    weights = list(model.parameters())
    plain = all(
        weight.is_contiguous() and weight.device.type == "cpu" and type(weight) is nn.Parameter for weight in weights
    )
    apart = len({weight.data_ptr() for weight in weights}) == len(weights)
    mapped = sum(weight.nbytes for weight in weights if are_unwritten([(weight.data_ptr(), weight.nbytes)]))
    return plain and apart and 2 * mapped < sum(weight.nbytes for weight in weights)
