"""Pieces for another machine, which has the backbones that they use in folders of its own."""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.workbench.backbone.pretrained import Backbone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from adapter_workbench.experiments.engine.piece import Piece


@dataclass(frozen=True)
class PackedPieces:
    """Pieces with all that they hold, rows of tasks too, but without backbones."""

    content: bytes  # the pieces, pickled
    buffers: tuple[NDArray[np.uint8], ...]  # large parts of it: all processes of a machine share them
    backbones: tuple[Backbone, ...]  # those that they use, by number

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> PackedPieces:
        """Pack pieces."""
        stream, buffers = io.BytesIO(), list[pickle.PickleBuffer]()
        packer = _Packer(stream, protocol=5, buffer_callback=buffers.append)
        packer.dump(list(pieces))
        parts = tuple(np.frombuffer(buffer.raw(), dtype=np.uint8) for buffer in buffers)
        backbones = tuple(backbone.elsewhere(backbone.folder) for backbone in packer.backbones)
        return cls(stream.getvalue(), parts, backbones)

    def unpack(self, backbones: Sequence[Backbone]) -> list[Piece]:
        """Return the pieces, which use ``backbones`` instead of :attr:`backbones`."""
        pieces: list[Piece] = _Unpacker(backbones, io.BytesIO(self.content), buffers=self.buffers).load()
        return pieces


class _Packer(pickle.Pickler):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.backbones: dict[Backbone, int] = {}

    def persistent_id(self, value: Any) -> int | None:
        if isinstance(value, Backbone):
            return self.backbones.setdefault(value, len(self.backbones))
        return None


class _Unpacker(pickle.Unpickler):
    def __init__(self, backbones: Sequence[Backbone], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._backbones = backbones

    def persistent_load(self, number: Any) -> Backbone:
        backbone: Backbone = self._backbones[number]
        return backbone
