"""LoRA files of random ranks, scalings and targets, and the ΔW that they stand for in dense float64."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from adapter_workbench.fusion.updates import lora
from adapter_workbench.fusion.updates.lowrank import Update

SHAPES = {"layer.0.query": (8, 8), "layer.0.up": (12, 8), "layer.1.down": (6, 12)}
Dense = dict[str, Tensor]
WEIGHTS = st.integers(-8, 8).filter(bool).map(lambda quarters: quarters / 4)


@dataclass(frozen=True)
class Lora:
    """What a LoRA's files hold."""

    config: dict[str, Any]
    tensors: dict[str, Tensor]

    def write(self, folder: Path) -> Path:
        (folder / "adapter_config.json").write_text(json.dumps(self.config), encoding="utf-8")
        save_file(self.tensors, folder / "adapter_model.safetensors")
        return folder

    def read(self) -> Update:
        return dict(self._update)

    def dense(self) -> Dense:
        """alpha ÷ r (or ÷ √r) times B A, module by module, by the definition (arXiv:2106.09685; rsLoRA: 2312.03732)."""
        return dict(self._dense)

    @cached_property
    def _update(self) -> Update:
        with tempfile.TemporaryDirectory() as folder:
            return lora.read(self.write(Path(folder)))

    @cached_property
    def _dense(self) -> Dense:
        deltas = {}
        for module in SHAPES:
            names = [f"base_model.model.{module}.lora_{factor}.weight" for factor in "BA"]
            if names[0] in self.tensors:
                b, a = (self.tensors[name].double() for name in names)
                alpha = self.config["alpha_pattern"].get(module.split(".", 2)[2], self.config["lora_alpha"])
                rank = b.shape[1]
                deltas[module] = alpha / (math.sqrt(rank) if self.config["use_rslora"] else rank) * b @ a
        return deltas


@st.composite
def loras(draw: st.DrawFn, modules: tuple[str, ...] | None = None, number: int = 0) -> Lora:
    """Draw a LoRA with its own rank, alpha, patterns, scaling rule and target modules; no two ``number`` are alike."""
    targets = modules or draw(st.sets(st.sampled_from(sorted(SHAPES)), min_size=1).map(sorted).map(tuple))
    generator = torch.Generator().manual_seed(10 * draw(st.integers(0, 2**32)) + number)
    leaves = sorted(module.split(".", 2)[2] for module in targets)
    ranks = {leaf: draw(st.integers(1, 5)) for leaf in leaves}
    patterned = draw(st.sets(st.sampled_from(leaves)))
    tensors = {}
    for module in targets:
        (rows, columns), rank = SHAPES[module], ranks[module.split(".", 2)[2]]
        tensors[f"base_model.model.{module}.lora_B.weight"] = torch.randn(rows, rank, generator=generator)
        tensors[f"base_model.model.{module}.lora_A.weight"] = torch.randn(rank, columns, generator=generator)
    config = {
        "peft_type": "LORA",
        "r": 4,
        "lora_alpha": draw(st.sampled_from([1, 4, 16, 32])),
        "use_rslora": draw(st.booleans()),
        "rank_pattern": ranks,
        "alpha_pattern": {leaf: draw(st.sampled_from([2, 8, 24])) for leaf in sorted(patterned)},
    }
    return Lora(config, tensors)


@st.composite
def weighted_loras(draw: st.DrawFn, fewest: int = 1, most: int = 4) -> tuple[list[Lora], list[float]]:
    """Draw sources and a weight for each, of either sign."""
    sources = [draw(loras(number=number)) for number in range(draw(st.integers(fewest, most)))]
    return sources, draw(st.lists(WEIGHTS, min_size=len(sources), max_size=len(sources)))


def dense(update: Update) -> Dense:
    return {module: pair.b.double() @ pair.a.double() for module, pair in update.items()}


def parts(sources: Sequence[Lora], module: str) -> list[Tensor]:
    """ΔW of every source in one module; zero where a source does not adapt it."""
    return [source.dense().get(module, torch.zeros(SHAPES[module], dtype=torch.float64)) for source in sources]


def modules(sources: Sequence[Lora]) -> list[str]:
    return sorted({module for source in sources for module in source.dense()})


def cut(matrix: Tensor, rank: int) -> Tensor:
    """The best approximation of at most ``rank``, by the full singular value decomposition."""
    u, values, vt = torch.linalg.svd(matrix, full_matrices=False)
    return (u[:, :rank] * values[:rank]) @ vt[:rank]
