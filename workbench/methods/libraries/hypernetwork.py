"""hypernetwork: a small network makes a LoRA; what is stored is the LoRA, which opens with peft, and the network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from adapter_workbench.workbench.methods.libraries.peft import LIBRARY as PEFT
from adapter_workbench.workbench.methods.libraries.peft import write

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PretrainedConfig

FILE = "generator.safetensors"
ADAPTER = "default"  # peft's name


@dataclass(frozen=True)
class HypernetworkConfig:
    """The LoRA that is made, and the network that makes it."""

    lora: LoraConfig  # shape and places of the LoRA
    embedding_size: int  # of the task, and of each place that a matrix stands at
    hidden_size: int  # of the network


class Generator(nn.Module):
    """(task, place) → a LoRA's matrix at that place; matrices of the same kind and shape share an output layer.

    Attributes:
        task: the embedding that is learned.
        asked: another task's embedding, for as long as the LoRA is to be made from that one; None else.
    """

    def __init__(self, shapes: list[tuple[str, tuple[int, int]]], config: HypernetworkConfig) -> None:
        """Make a network for matrices of ``shapes``, each with its kind: ``a``, or ``b``, which begins at zero."""
        super().__init__()
        self.shapes = shapes
        self.asked: Tensor | None = None
        self.task = nn.Parameter(torch.randn(config.embedding_size))
        self.places = nn.Embedding(len(shapes), config.embedding_size)
        self.trunk = nn.Linear(2 * config.embedding_size, config.hidden_size)
        self.outputs = nn.ModuleDict()
        for kind, (rows, columns) in dict.fromkeys(shapes):
            output = nn.Linear(config.hidden_size, rows * columns)
            if kind == "b":
                nn.init.zeros_(output.weight)
                nn.init.zeros_(output.bias)
            self.outputs[_layer(kind, (rows, columns))] = output

    def forward(self, task: Tensor | None = None) -> list[Tensor]:
        """Return the matrices made from ``task``, an embedding, or else from that of the current task.

        They come in the order of their shapes, in float32 also under autocast.
        """
        if task is None:
            task = self.task if self.asked is None else self.asked
        device = self.task.device.type
        casts = torch.amp.is_autocast_available(device)  # not where a shape alone is known
        with torch.autocast(device, enabled=False) if casts else nullcontext():
            tasks = task.to(self.task.device).expand(len(self.shapes), -1)  # (places, embedding)
            hidden = torch.relu(self.trunk(torch.cat([tasks, self.places.weight], dim=1)))  # (places, hidden)
            return [
                self.outputs[_layer(kind, shape)](row).view(shape)
                for row, (kind, shape) in zip(hidden, self.shapes, strict=True)
            ]


class Hypernetwork:
    """Wraps the body as peft does; before each pass the LoRA's matrices are made anew, so that the network learns."""

    def attach(self, body: nn.Module, config: HypernetworkConfig) -> nn.Module:
        """Return the wrapped body under a fresh network."""
        return _with_generator(PEFT.attach(body, config.lora), config)

    def save(self, body: Any, folder: Path) -> None:
        """Write the LoRA as peft does, and the network beside it."""
        with torch.no_grad():
            made = dict(zip((f"{name}.weight" for name, _ in _factors(body)), body.generator(), strict=True))
        write(body, folder, state_dict={name: matrix.contiguous() for name, matrix in made.items()})
        (folder / "README.md").unlink(missing_ok=True)
        save_file(body.generator.state_dict(), folder / FILE)

    def load(self, body: nn.Module, folder: Path, config: HypernetworkConfig) -> nn.Module:
        """Return the wrapped body under the stored network; the stored LoRA is what it makes."""
        model = _with_generator(PEFT.load(body, folder, config.lora), config)
        generator_of(model).load_state_dict(load_file(folder / FILE))
        generate(model)
        return model

    def contradiction(
        self, folder: Path, config: HypernetworkConfig, architecture: PretrainedConfig, reshapes: bool
    ) -> str | None:
        """Return in what the stored LoRA's configuration is another one than that of ``config``; else None."""
        return PEFT.contradiction(folder, config.lora, architecture, reshapes)

    def detach(self, body: nn.Module) -> nn.Module:
        return PEFT.detach(body)

    @torch.no_grad()
    def merge(self, body: Any) -> nn.Module | None:
        """Return the bare body with the LoRA that the network makes in its weights."""
        for (_, module), made in zip(_factors(body), body.generator(), strict=True):
            module.weight = made
        return PEFT.merge(body)


def generator_of(body: Any) -> Generator:
    generator: Generator = body.generator
    return generator


def generate(body: nn.Module) -> None:
    """Put what the network makes now into its places; every forward pass does."""
    for (_, module), made in zip(_factors(body), generator_of(body)(), strict=True):
        module.weight = made


def _factors(body: Any) -> Iterator[tuple[str, Any]]:
    for name, module in body.named_modules():
        if name.endswith((f"lora_A.{ADAPTER}", f"lora_B.{ADAPTER}")):
            yield name, module


def _with_generator(body: Any, config: HypernetworkConfig) -> nn.Module:
    factors = list(_factors(body))
    kinds = ["b" if "lora_B" in name else "a" for name, _ in factors]
    shapes = [tuple(module.weight.shape) for _, module in factors]
    for _, module in factors:
        del module.weight  # from now on no parameter, but what the network makes
    body.generator = Generator(list(zip(kinds, shapes, strict=True)), config)
    generate(body)
    body.register_forward_pre_hook(lambda body, _: generate(body))
    model: nn.Module = body
    return model


def _layer(kind: str, shape: tuple[int, int]) -> str:
    return f"{kind}-{shape[0]}-{shape[1]}"


LIBRARY = Hypernetwork()
