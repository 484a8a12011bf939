"""Which LoRAs of a bank are in memory: all, or as many as fit, and the others are mapped from their files.

What is mapped takes no memory of its own: the system reads a page when it is used and drops it when memory is short.
A file that is removed meanwhile can still be read, since its mapping holds it.
"""

from __future__ import annotations

import math
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from itertools import accumulate
from threading import RLock
from typing import TYPE_CHECKING

import torch

from adapter_workbench.workbench.machine.own_pages import empty_in_own_pages
from adapter_workbench.workbench.methods.libraries._lora_layout import BIAS, HIGH, LOW, START

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from adapter_workbench.workbench.methods.libraries._lora_layout import Layout

    Factors = Mapping[str, tuple[Tensor, Tensor, Tensor | None]]
    """Layer → A (rank, inputs), B (outputs, rank), and a bias (outputs,) where there is one."""

ALIGNED = 64  # bytes, at a multiple of which torch begins a tensor


@dataclass(eq=False)
class Lora:
    """One LoRA, read.

    Attributes:
        layout: which layers it adapts.
        mapped: the tensors of its file, mapped; None where its factors stay in memory.
        factors: in memory, as the body computes; None where they are not.
    """

    layout: Layout
    mapped: Mapping[str, Tensor] | None = None
    factors: Factors | None = None


class LoraMemory:
    """The factors of LoRAs; those that were not used for the longest leave memory first. Threads may share it."""

    def __init__(self, device: torch.device, dtype: torch.dtype, most_bytes: int | None = None) -> None:
        """Keep factors on a device, in the numbers in which the body computes: at most so many bytes, or all."""
        self.bytes = 0
        self._device, self._dtype, self._most_bytes = device, dtype, most_bytes
        self._in_memory: OrderedDict[weakref.ref[Lora], int] = OrderedDict()  # the latest used last; with its bytes
        self._changing = RLock()  # what is forgotten may be so while something is kept

    def take_in(self, layout: Layout, mapped: Mapping[str, Tensor]) -> Lora:
        """Return a LoRA by the tensors of its file; its factors are in memory if that leaves all others there."""
        if self._most_bytes is None:
            return Lora(layout, factors=self._computed(layout, mapped))
        lora = Lora(layout, mapped)
        if self.bytes + self._size(layout) <= self._most_bytes:
            self.factors(lora)
        return lora

    def factors(self, lora: Lora) -> Factors:
        """Return a LoRA's factors; where there is a bound, they are the last to leave memory."""
        factors = lora.factors
        if lora.mapped is None:
            assert factors is not None
            return factors
        if factors is None:
            factors = self._computed(lora.layout, lora.mapped)
        with self._changing:
            self._keep(lora, factors)
        return factors

    def _keep(self, lora: Lora, factors: Factors) -> None:
        reference, size = weakref.ref(lora, self._forget), self._size(lora.layout)
        if self._in_memory.pop(reference, None) is None:
            self.bytes += size
        lora.factors, self._in_memory[reference] = factors, size
        while self.bytes > (self._most_bytes or 0):
            oldest, freed = self._in_memory.popitem(last=False)
            self.bytes -= freed
            if (longest_unused := oldest()) is not None:
                longest_unused.factors = None

    def _forget(self, reference: weakref.ref[Lora]) -> None:
        """Take back the bytes of a LoRA that nobody has any more."""
        with self._changing:
            self.bytes -= self._in_memory.pop(reference, 0)

    def _size(self, layout: Layout) -> int:
        return self._dtype.itemsize * sum(math.prod(shape) for shape in layout.shapes.values())

    def _computed(self, layout: Layout, tensors: Mapping[str, Tensor]) -> Factors:
        kept = self._together(tensors)

        def factors(module: str) -> tuple[Tensor, Tensor, Tensor | None]:
            low, high, bias = (f"{START}{module}.{part}" for part in (LOW, HIGH, BIAS))
            return kept[low], kept[high], kept.get(bias)

        return {module: factors(module) for module in layout.scaling}

    def _together(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a copy of the tensors, in one block of memory, which is given back to the system with the LoRA."""
        step = ALIGNED // self._dtype.itemsize
        sizes = (math.ceil(tensor.numel() / step) * step for tensor in tensors.values())
        *begins, size = accumulate(sizes, initial=0)
        block = empty_in_own_pages(size, self._dtype, self._device)
        return {
            name: block[begin : begin + tensor.numel()].view(tensor.shape).copy_(tensor)
            for begin, (name, tensor) in zip(begins, tensors.items(), strict=True)
        }
