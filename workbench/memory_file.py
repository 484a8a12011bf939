"""Tensors in a file that exists in memory alone: written once, sealed, and mapped privately by whoever uses them."""

from __future__ import annotations

import fcntl
import math
import os
import weakref
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ALIGNED = 64  # bytes: where torch puts tensors
SEALS = ("F_SEAL_SEAL", "F_SEAL_WRITE", "F_SEAL_GROW", "F_SEAL_SHRINK")


class MemoryFile:
    """Room for tensors of given shapes; it is closed when nobody holds it, and what was mapped of it stays."""

    def __init__(self, shapes: Sequence[Sequence[int]], types: Sequence[torch.dtype]) -> None:
        """Make room, without content, for contiguous tensors of these ``shapes`` and ``types``.

        Raises:
            OSError: there is none.
        """
        self._shapes, self._types = shapes, types
        sizes = [math.prod(shape) * kind.itemsize for shape, kind in zip(shapes, types, strict=True)]
        self._ranges, end = [], 0
        for size in sizes:
            self._ranges.append((end, end + size))
            end += -(-size // ALIGNED) * ALIGNED
        self.size = end
        self.descriptor = os.memfd_create("weights", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        weakref.finalize(self, os.close, self.descriptor)
        os.ftruncate(self.descriptor, end)

    def write(self, number: int, chunks: Iterable[torch.Tensor]) -> None:
        """Write one tensor, in parts that follow each other in row-major order.

        Raises:
            OSError: there is no room for it.
        """
        first, _ = self._ranges[number]
        for chunk in chunks:
            content = chunk.detach().reshape(-1).view(torch.uint8).numpy().data
            while content:
                written = os.pwrite(self.descriptor, content, first)
                content, first = content[written:], first + written

    def seal(self) -> None:
        """Let nobody change the content from now on."""
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, sum(getattr(fcntl, seal) for seal in SEALS))

    def mapped(self) -> list[torch.Tensor]:
        """Return the tensors in a new map, of which a page that is written to becomes the writer's own."""
        memory = torch.UntypedStorage.from_file(f"/proc/self/fd/{self.descriptor}", shared=False, nbytes=self.size)
        tensors = []
        for (first, end), shape, kind in zip(self._ranges, self._shapes, self._types, strict=True):
            own = memory[first:end]  # a storage of its own: whoever copies one tensor copies no other
            strides = [math.prod(shape[place + 1 :]) for place in range(len(shape))]
            tensors.append(torch.empty(0, dtype=kind).set_(own, 0, tuple(shape), strides))
        return tensors
