"""LoRAs beside one body: a hook on each adapted layer adds to every row the update of the row's own LoRA.

The body holds none of them. It is the same whether one LoRA answers or a thousand are served, and a LoRA comes and goes
without a look at the others. What a batch costs depends on the rows and not on how many LoRAs there are: the factors
of the rows' LoRAs are gathered, and one batched product multiplies all rows, as in Punica (Chen et al. 2024,
arXiv:2310.18547) and S-LoRA (Sheng et al. 2024, arXiv:2311.03285).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from threading import Lock, local
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from torch import nn

from adapter_workbench.workbench.adapters.adapter_folder import PEFT_WEIGHTS
from adapter_workbench.workbench.methods.libraries._lora_layout import START, Layouts
from adapter_workbench.workbench.methods.libraries._lora_memory import LoraMemory
from adapter_workbench.workbench.methods.libraries._peft_tensors import require_own_unchanged
from adapter_workbench.workbench.methods.libraries._places import require_all
from adapter_workbench.workbench.methods.library import UnmixableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from adapter_workbench.workbench.machine.device import Precision
    from adapter_workbench.workbench.methods.libraries._lora_layout import Layout
    from adapter_workbench.workbench.methods.libraries._lora_memory import Factors, Lora

LONG_RUN = 8  # rows of one LoRA from which a product of its own is faster than a row's share of a batched one


@dataclass(frozen=True)
class Rows:
    """Rows of a batch that stand together, whose LoRAs have one layout.

    Attributes:
        where: they stand in the batch.
        layout: of their LoRAs.
        factors: of the LoRA of each row; of a single one for all of them.
    """

    where: slice
    layout: Layout
    factors: Sequence[Factors]

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
