"""Proof that a backbone did not change, without reading its weights: they are still unmodified pages of their file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from adapter_workbench.workbench.backbone import fingerprints
from adapter_workbench.workbench.machine.page_table import are_unwritten

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from torch import Tensor, nn


@dataclass(frozen=True)
class LoadedBody:
    """A body as it was loaded.

    Attributes:
        state: of the files that it was loaded from.
        weights: its parameters by name, in the memory where they were; it is held, so that nothing else comes there.
    """

    state: str
    weights: Mapping[str, Tensor]


_loaded: WeakKeyDictionary[nn.Module, LoadedBody] = WeakKeyDictionary()


def remember(body: nn.Module, state: str | None) -> None:
    """Remember where the weights of a freshly loaded ``body`` are, if they are pages of a file.

    Args:
        body: nobody has changed it yet.
        state: of the files, as :func:`state_of` told before they were read.
    """
    weights = {name: parameter.detach() for name, parameter in body.named_parameters()}
    if state is not None and _are_pages_of_files(weights.values()):
        _loaded[body] = LoadedBody(state, weights)


def is_untouched(body: nn.Module, folder: Path, fingerprint: str) -> bool:
    """Return whether it is proven that ``body`` has the weights of ``fingerprint``, which are those in ``folder``.

    Every parameter is where it was when the body was loaded, no page of it was written to since, and the files are
    those that the fingerprint was computed from. False means only that the weights have to be read.
    """
    loaded = _loaded.get(body)
    if loaded is None or fingerprints.stored_fingerprint(folder, loaded.state) != fingerprint:
        return False
    now = {name: parameter.detach() for name, parameter in body.named_parameters()}
    if list(now) != list(loaded.weights) or not all(_are_one(now[name], old) for name, old in loaded.weights.items()):
        return False
    return _are_pages_of_files(now.values()) and fingerprints.state_of(folder) == loaded.state


def _are_pages_of_files(weights: Collection[Tensor]) -> bool:
    on_accelerator = any(weight.device.type != "cpu" for weight in weights)
    return not on_accelerator and are_unwritten((weight.data_ptr(), weight.nbytes) for weight in weights)


def _are_one(left: Tensor, right: Tensor) -> bool:
    """Return whether two tensors are the same numbers in the same memory."""
    traits = [
        (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype, tensor.device) for tensor in (left, right)
    ]
    return traits[0] == traits[1] and left.is_contiguous()
