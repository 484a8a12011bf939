"""diff: a sparse vector is added to the backbone's weights, which stay as they are (W + ΔW)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.func import functional_call

from adapter_workbench.workbench.methods.libraries._places import require_none_left

FILE = "delta.safetensors"


class Differing(nn.Module):
    """A body whose weights are those of ``base`` plus ``diff``.

    Attributes:
        base: the pretrained transformer; nothing in it is trained.
        names: of its parameters that have a difference.
        diff: ΔW, one for each of ``names``, in their shapes.
        gates: while a fit relaxes the difference, what makes z of z ⊙ ΔW; None otherwise.
    """

    def __init__(self, base: nn.Module, names: Sequence[str]) -> None:
        """Put a difference of zero on ``base``."""
        super().__init__()
        self.base, self.names = base.requires_grad_(False), tuple(names)
        self.diff = nn.ParameterList([torch.zeros_like(base.get_parameter(name)) for name in self.names])
        self.gates: nn.Module | None = None
        self._short_names = _short_names(base, self.names)

    @property
    def config(self) -> Any:
        """The transformer's."""
        return self.base.config

    def forward(self, *given: Any, **named: Any) -> Any:
        """Return the transformer's output with W + ΔW in place of W."""
        added = list(self.diff) if self.gates is None else self.gates(self.diff)
        sums = {name: self.base.get_parameter(name) + change for name, change in zip(self.names, added, strict=True)}
        weights = {full_name: sums[name] for full_name, name in self._short_names.items()}
        return functional_call(self.base, weights, given, named, tie_weights=False)


def _short_names(base: nn.Module, names: Sequence[str]) -> dict[str, str]:
    """Return full name → name in ``names``, for every full name of these parameters: tied weights have several.

    A module that is itself reached by several paths is named once; torch would not give it its own weight back.
    """
    name_of, seen, short_names = {id(base.get_parameter(name)): name for name in names}, set(), {}
    for full_name, parameter in base.named_parameters(remove_duplicate=False):
        path, _, last_name = full_name.rpartition(".")
        owner = (id(base.get_submodule(path)), last_name)
        if id(parameter) in name_of and owner not in seen:
            seen.add(owner)
            short_names[full_name] = name_of[id(parameter)]
    return short_names


class Diff:
    """``config`` names the parameters that get a difference. What is stored is sparse: places and values."""

    def attach(self, body: nn.Module, config: Sequence[str]) -> nn.Module:
        """Return the body with a difference of zero."""
        return Differing(body, config)

    def save(self, body: Any, folder: Path) -> None:
        """Write what is not zero: for each parameter its places in row-major order (int64), and the values there."""
        tensors: dict[str, Tensor] = {}
        for name, change in zip(body.names, body.diff, strict=True):
            flat = change.detach().flatten()
            indices = flat.nonzero().squeeze(1)
            if len(indices):
                tensors |= {f"{name}.places": indices, f"{name}.values": flat[indices]}
        save_file(tensors, folder / FILE)

    def load(self, body: nn.Module, folder: Path, config: Sequence[str]) -> nn.Module:
        """Return the body with the stored difference; raises ValueError where it is that of other parameters too."""
        differing, tensors = Differing(body, config), load_file(folder / FILE)
        index_names = {f"{name}.places" for name in differing.names if f"{name}.values" in tensors}
        require_none_left({*tensors} - index_names - {name.removesuffix("places") + "values" for name in index_names})
        with torch.no_grad():
            for name, change in zip(differing.names, differing.diff, strict=True):
                if f"{name}.values" in tensors:
                    change.view(-1)[tensors[f"{name}.places"]] = tensors[f"{name}.values"]
        return differing

    def detach(self, body: Any) -> nn.Module:
        """Return the body without its difference."""
        bare: nn.Module = body.base
        return bare

    @torch.no_grad()
    def merge(self, body: Any) -> nn.Module:
        """Return the bare body with W + ΔW for each W that has a difference."""
        for name, change in zip(body.names, body.diff, strict=True):
            body.base.get_parameter(name).add_(change)
        return self.detach(body)


LIBRARY = Diff()
