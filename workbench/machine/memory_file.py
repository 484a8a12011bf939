"""Tensors in a file that exists in memory alone: written once, sealed, and mapped privately by whoever uses them.

Other processes of the same user find such a file by its name, so that a machine holds it once. Who finds one can trust
its size and that nobody changes it any more, since both are sealed; the name says what is in it.
"""

from __future__ import annotations

import fcntl
import math
import os
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ALIGNED = 64  # bytes: where torch puts tensors
SEALS = ("F_SEAL_SEAL", "F_SEAL_WRITE", "F_SEAL_GROW", "F_SEAL_SHRINK")
NAME = "weights"


class MemoryFile:
    """Room for tensors of given shapes; it is closed when nobody holds it, and what was mapped of it stays."""

    def __init__(
        self,
        shapes: Sequence[Sequence[int]],
        types: Sequence[torch.dtype],
        name: str = NAME,
        descriptor: int | None = None,
    ) -> None:
        """Make room, without content, for contiguous tensors of these ``shapes`` and ``types``.

        Args:
            shapes: of the tensors.
            types: of the tensors.
            name: under which other processes find it, at most 200 characters.
            descriptor: of a file that has the content already.

        Raises:
            OSError: there is no room.
        """
        self._shapes, self._types = shapes, types
        sizes = [math.prod(shape) * kind.itemsize for shape, kind in zip(shapes, types, strict=True)]
        self._ranges, end = [], 0
        for size in sizes:
            self._ranges.append((end, end + size))
            end += -(-size // ALIGNED) * ALIGNED
        self.size = end
        if made := descriptor is None:
            descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self.descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)
        if made:
            os.ftruncate(descriptor, end)

    @classmethod
    def find_sealed(cls, shapes: Sequence[Sequence[int]], types: Sequence[torch.dtype], name: str) -> MemoryFile | None:
        """Return the sealed file of this name that a process of this user holds; None where there is none."""
        for descriptor in _descriptors(name):
            file = cls(shapes, types, name, descriptor)
            if file.is_sealed and os.fstat(descriptor).st_size == file.size:
                return file
        return None

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
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, _seals())

    @property
    def is_sealed(self) -> bool:
        """Whether nobody can change the content."""
        return fcntl.fcntl(self.descriptor, fcntl.F_GET_SEALS) & _seals() == _seals()

    def map_tensors(self) -> list[torch.Tensor]:
        """Return the tensors in a new map, of which a page that is written to becomes the writer's own."""
        memory = torch.UntypedStorage.from_file(f"/proc/self/fd/{self.descriptor}", shared=False, nbytes=self.size)
        tensors = []
        for (first, end), shape, kind in zip(self._ranges, self._shapes, self._types, strict=True):
            own = memory[first:end]  # a storage of its own: whoever copies one tensor copies no other
            strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
            tensors.append(torch.empty(0, dtype=kind).set_(own, 0, tuple(shape), strides))
        return tensors


def _seals() -> int:
    """Return all seals together; not every system has them."""
    return sum(getattr(fcntl, seal) for seal in SEALS)


def _descriptors(name: str) -> Iterator[int]:
    """Yield a descriptor, for reading, of each file of this name that this user's processes hold."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # another user's, or it has just ended
            for link in (process / "fd").iterdir():
                if str(link.readlink()) == f"/memfd:{name} (deleted)":
                    yield os.open(link, os.O_RDONLY | os.O_CLOEXEC)
                    break
