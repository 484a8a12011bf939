"""LoRAs beside one body: a hook on each adapted layer adds to every row the update of the row's own LoRA.

The body holds none of them. It is the same whether one LoRA answers or a thousand are served, and a LoRA comes and goes
without a look at the others. What a batch costs depends on the rows and not on how many LoRAs there are: the factors
of the rows' LoRAs are gathered, and one batched product multiplies all rows, as in Punica (Chen et al. 2024,
arXiv:2310.18547) and S-LoRA (Sheng et al. 2024, arXiv:2311.03285).

In memory are all LoRAs, or as many as fit, and the others are mapped from their files. What is mapped takes no memory
of its own: the system reads a page when it is used and drops it when memory is short. A file that is removed meanwhile
can still be read, since its mapping holds it.
"""

from __future__ import annotations

import math
import mmap
import weakref
from collections import Counter, OrderedDict
from dataclasses import dataclass
from itertools import accumulate, groupby
from threading import Lock, RLock, local
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from adapter_workbench.workbench.adapters.adapter_folder import PEFT_WEIGHTS
from adapter_workbench.workbench.methods.libraries._lora_layout import BIAS, HIGH, LOW, START, Layouts
from adapter_workbench.workbench.methods.libraries._peft_tensors import require_own_unchanged
from adapter_workbench.workbench.methods.libraries._places import require_all
from adapter_workbench.workbench.methods.library import UnmixableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from adapter_workbench.workbench.machine.device import Precision
    from adapter_workbench.workbench.methods.libraries._lora_layout import Layout

    Factors = Mapping[str, tuple[Tensor, Tensor, Tensor | None]]
    "Layer → A (rank, inputs), B (outputs, rank), and a bias (outputs,) where there is one."

LONG_RUN = 8  # rows of one LoRA from which a product of its own is faster than a row's share of a batched one
ALIGNED = 64  # bytes, at a multiple of which torch begins a tensor


@dataclass(frozen=True)
class Rows:
    """Rows of a batch that stand together, whose LoRAs have one layout."""

    where: slice  # they stand in the batch
    layout: Layout  # of their LoRAs
    factors: Sequence[Factors]  # of the LoRA of each row; of a single one for all of them

    def add(self, name: str, inputs: Tensor, result: Tensor) -> None:
        """Add the update of a layer to its ``result`` (rows, …, outputs), in place; ``inputs`` are (rows, …, inputs).

        A single LoRA is multiplied as peft does it, to get the same bits.
        """
        scaling = self.layout.scaling.get(name)
        if scaling is None:
            return  # LoRAs may differ in the layers that they adapt
        own, factors = inputs[self.where], [of_lora[name] for of_lora in self.factors]
        if len(factors) == 1:
            low, high, bias = factors[0]
            update = nn.functional.linear(nn.functional.linear(own, low), high, bias) * scaling
        else:
            update = _gathered(factors, own, scaling)
        result[self.where] += update


def _gathered(factors: Sequence[tuple[Tensor, Tensor, Tensor | None]], inputs: Tensor, scaling: float) -> Tensor:
    """Return s B x A for inputs (rows, …, inputs) by each row's own factors: (rows, …, outputs)."""
    lows, highs, biases = zip(*factors, strict=True)
    states = inputs.reshape(len(inputs), -1, inputs.shape[-1])  # (rows, tokens, inputs)
    inner = torch.bmm(states, torch.stack(lows).transpose(1, 2))  # (rows, tokens, rank)
    update = torch.bmm(inner * scaling, torch.stack(highs).transpose(1, 2))  # (rows, tokens, outputs)
    if biases[0] is not None:
        update = update + scaling * torch.stack(biases).unsqueeze(1)
    return update.reshape(*inputs.shape[:-1], -1)


class LoraBank:
    """A body, and the hooks through which LoRAs answer on it; which of them do, each thread says for itself.

    Attributes:
        body: stays bare.
        mixes: whether rows of one batch can be of different LoRAs, as far as is known: a body may show its layers
            something else than one entry a row, relative positions for example.
    """

    def __init__(self, body: nn.Module, precision: Precision, most_bytes: int | None = None) -> None:
        """Take a bare body, which stands where it computes; nothing is changed in it yet.

        Args:
            body: bare.
            precision: of its arithmetic.
            most_bytes: of factors that are in memory at a time; all where it is None.
        """
        self.body, self.mixes = body, True
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32  # autocast would round in each pass
        self._memory = LoraMemory(next(body.parameters()).device, dtype, most_bytes)
        self._layouts = Layouts(body.config)
        self._hooked: set[str] = set()
        self._hooking = Lock()  # a layer with two hooks would add every update twice
        self._rows_first: set[str] = set()  # layers that were seen to read one entry for each row
        self._answering = local()

    def read(self, folder: Path) -> Lora | None:
        """Return the LoRA stored in ``folder``; None where it is more than B A beside linear layers.

        Raises:
            ValueError: a tensor is missing or has no place, or would replace one of the backbone's own.
            InputError: its config cannot be read.
        """
        layout = self._layouts.of(folder)
        if layout is None:
            return None
        tensors = load_file(folder / PEFT_WEIGHTS)
        if tensors.keys() != layout.shapes.keys():
            require_own_unchanged(self.body, folder)
            own = {f"{START}{name}" for name in self.body.state_dict(keep_vars=True)}
            require_all([name for name in tensors if name not in own], layout.shapes.keys())
        for name, shape in layout.shapes.items():
            if tensors[name].shape != shape:
                raise ValueError(f"{name} has the shape {tuple(tensors[name].shape)}, and not {shape} as by its config")
        return self._memory.take_in(layout, {name: tensors[name] for name in layout.shapes})

    def use(self, loras: Sequence[Lora]) -> list[int]:
        """Let ``loras[i]`` answer row i of each batch that this thread gives the body from now on; or one all rows.

        Returns the order in which the batch has to have its rows.
        """
        for layout in {lora.layout for lora in loras}:
            self._listen(layout)
        factors = {lora: self._memory.factors(lora) for lora in dict.fromkeys(loras)}
        order, self._answering.parts = _parted(loras, factors)
        return order

    def _listen(self, layout: Layout) -> None:
        with self._hooking:
            for name in layout.scaling.keys() - self._hooked:
                self.body.get_submodule(name).register_forward_hook(self._hook(name))
                self._hooked.add(name)

    def _hook(self, name: str) -> Any:
        def add(_: nn.Module, inputs: tuple[Tensor, ...], result: Tensor) -> Tensor:
            parts: Sequence[Rows] = getattr(self._answering, "parts", ())
            if parts and (rows_of_all := parts[-1].where.stop):
                self._require_rows_first(name, inputs[0], rows_of_all)
            for rows in parts:
                rows.add(name, inputs[0], result)
            return result

        return add

    def _require_rows_first(self, name: str, entries: Tensor, rows: int) -> None:
        """Make sure that a layer sees one entry for each row; where it sees as many tokens, this cannot be told."""
        if len(entries) != rows:
            self.mixes = False
            raise UnmixableError(f"{name} reads {len(entries)} entries for {rows} rows")
        if entries.ndim > 2 and name not in self._rows_first:
            if entries.shape[1] == rows:
                raise UnmixableError(f"{name} may read tokens first, and then rows")
            self._rows_first.add(name)


@dataclass(eq=False)
class Lora:
    """One LoRA, read."""

    layout: Layout  # which layers it adapts
    mapped: Mapping[str, Tensor] | None = None  # the tensors of its file, mapped; None where its factors stay in memory
    factors: Factors | None = None  # in memory, as the body computes; None where they are not


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


def empty_in_own_pages(numbers: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return a tensor (numbers,) whose values are not set; on an accelerator one as torch allocates it.

    For what stays long and then goes, in a process that allocates and frees all the time. The C library would put it
    between blocks of that moment; what is freed around it, and later it itself, would often stay with the process. It
    takes whole pages, and a tenth of a millisecond more for the 0.3 MB of a LoRA of MiniLM.
    """
    if device.type != "cpu" or not numbers:
        return torch.empty(numbers, dtype=dtype, device=device)
    pages = mmap.mmap(-1, numbers * dtype.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return torch.frombuffer(pages, dtype=dtype)  # refers to the pages for as long as anything refers to its storage


def _parted(loras: Sequence[Lora], factors: Mapping[Lora, Factors]) -> tuple[list[int], list[Rows]]:
    """Return an order of the rows, and which of them are multiplied together in it.

    Those of one LoRA are where they are many, all others with those of the same layout. LoRAs and layouts are in the
    order in which they first appear, so that the same rows are added up in the same way in every process.
    """
    if len(counts := Counter(loras)) == 1:
        return [*range(len(loras))], [Rows(slice(None), loras[0].layout, [factors[loras[0]]])]
    numbers = {part: number for number, part in enumerate(dict.fromkeys([lora.layout for lora in loras] + [*counts]))}

    def part(row: int) -> tuple[int, int]:
        lora = loras[row]
        return numbers[lora.layout], numbers[lora] if counts[lora] >= LONG_RUN else -1

    order = sorted(range(len(loras)), key=part)
    parts, start = [], 0
    for (_, alone), rows in groupby(order, part):
        own = [loras[row] for row in rows]
        answering = own[:1] if alone >= 0 else own
        where = slice(start, start + len(own))
        parts.append(Rows(where, own[0].layout, [factors[lora] for lora in answering]))
        start += len(own)
    return order, parts
