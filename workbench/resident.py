"""One copy of a backbone's weights in a process: every model maps it, and owns only the pages that it writes to.

Weights that a checkpoint has in float32 are mapped from their file as they are. Others are widened, which takes time
and as much memory as a model: that is done once, into a file that exists in memory alone. It is sealed, so that nobody
can change it, and mapped privately, so that a model that is trained or merged changes none of the others.
"""

from __future__ import annotations

import copy
import fcntl
import os
import weakref
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from workbench.page_table import are_unwritten, is_told

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ALIGNED = 64  # bytes: where torch puts tensors
SEALS = ("F_SEAL_SEAL", "F_SEAL_WRITE", "F_SEAL_GROW", "F_SEAL_SHRINK")

_resident: dict[str, Resident] = {}  # the newest alone


class Resident:
    """A model whose weights lie in a file in memory, and from which others are copied that share them."""

    def __init__(self, model: nn.Module) -> None:
        """Move the parameters of ``model`` into a file, one after another, so that none is there twice.

        Raises:
            OSError: there is no room for it; ``model`` is as it was, wherever its weights are now.
        """
        self._model = model
        self._parameters = list(model.parameters())
        self._first, self._size = _laid_out(self._parameters)
        self._file = os.memfd_create("weights", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        weakref.finalize(self, os.close, self._file)  # models that map it keep its pages
        os.ftruncate(self._file, self._size)
        for parameter, first, view in zip(self._parameters, self._first, self._mapped(), strict=True):
            _write(self._file, parameter, first)
            parameter.data = view
        fcntl.fcntl(self._file, fcntl.F_ADD_SEALS, sum(getattr(fcntl, seal) for seal in SEALS))

    def copy(self) -> nn.Module:
        """Return a model of its own with the same weights; nothing of them is copied until it is written to."""
        shared: dict[int, Any] = {
            id(parameter): nn.Parameter(view, requires_grad=parameter.requires_grad)
            for parameter, view in zip(self._parameters, self._mapped(), strict=True)
        }
        return copy.deepcopy(self._model, shared)

    def _mapped(self) -> list[torch.Tensor]:
        """Return a new private map of the file as tensors, one for each parameter."""
        memory = torch.UntypedStorage.from_file(f"/proc/self/fd/{self._file}", shared=False, nbytes=self._size)
        views = []
        for parameter, first in zip(self._parameters, self._first, strict=True):
            own = memory[first : first + parameter.nbytes]  # a storage of its own: a copy of one tensor copies no other
            views.append(torch.empty(0, dtype=parameter.dtype).set_(own, 0, parameter.shape, parameter.stride()))
        return views


def shared(state: str | None, load: Callable[[], nn.Module]) -> nn.Module:
    """Return what ``load`` would: a model of its own, whose weights are those of the resident copy where there is one.

    Args:
        state: of the files that ``load`` reads; None where they may change unnoticed.
        load: returns the model in float32.
    """
    if state is None or not is_told():
        return load()
    if state not in _resident:
        model = load()
        if not _can_move(model):
            return model
        release()
        try:
            _resident[state] = Resident(model)
        except OSError:
            return model
    return _resident[state].copy()


def release() -> None:
    """Give the resident copy up; the models that map it go on as they are."""
    _resident.clear()


def _can_move(model: nn.Module) -> bool:
    """Return whether most of the weights are in memory of the process, each for itself, and not pages of a file."""
    weights = list(model.parameters())
    plain = all(each.is_contiguous() and each.device.type == "cpu" and type(each) is nn.Parameter for each in weights)
    apart = len({each.data_ptr() for each in weights}) == len(weights)
    mapped = sum(each.nbytes for each in weights if are_unwritten([(each.data_ptr(), each.nbytes)]))
    return plain and apart and 2 * mapped < sum(each.nbytes for each in weights)


def _laid_out(parameters: Sequence[nn.Parameter]) -> tuple[list[int], int]:
    """Return at which byte each parameter begins, and how many bytes there are."""
    first, end = [], 0
    for parameter in parameters:
        first.append(end)
        end += -(-parameter.nbytes // ALIGNED) * ALIGNED
    return first, end


def _write(file: int, parameter: nn.Parameter, first: int) -> None:
    content = parameter.detach().view(-1).view(torch.uint8).numpy().data
    while content:
        written = os.pwrite(file, content, first)
        content, first = content[written:], first + written
