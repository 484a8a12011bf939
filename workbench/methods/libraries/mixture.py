"""mixture: weights of several packages on one backbone at the same time, each stored in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file, save_file

from adapter_workbench.workbench.methods.libraries import LIBRARIES
from adapter_workbench.workbench.methods.libraries.plain import FILE
from adapter_workbench.workbench.methods.library import DescribedLibrary

if TYPE_CHECKING:
    from torch import nn
    from transformers import PretrainedConfig

    from adapter_workbench.workbench.methods.library import Library

# Each package names its weights as if it were alone: plain needs the backbone as it came, adapters exchanges its layers
# in place, and peft wraps whatever it finds.
ORDER = ("plain", "adapters", "peft")


@dataclass(frozen=True)
class MixtureConfig:
    """The configuration of each package that takes part, by its name in the registry of libraries."""

    parts: Mapping[str, Any]


class Mixture:
    """Puts one package's weights on after the other; ``owned`` on the body lists the weights of each package."""

    def attach(self, body: nn.Module, config: MixtureConfig) -> nn.Module:
        """Return the body with the fresh weights of every package, all trainable."""
        return _join(body, config, lambda name, library, base: library.attach(base, config.parts[name]))

    def save(self, body: Any, folder: Path) -> None:
        """Write each package's weights into the folder of its name, as the package itself writes them."""
        for name in body.owned:
            own_folder = folder / name
            own_folder.mkdir()
            with _only(body, name):
                LIBRARIES.get(name).save(body if name == "peft" else _unwrap(body), own_folder)
        if (stored := folder / "plain" / FILE).is_file():  # a wrapped layer's own weights have another name
            save_file({name.replace(".base_layer.", "."): tensor for name, tensor in load_file(stored).items()}, stored)

    def load(self, body: nn.Module, folder: Path, config: MixtureConfig) -> nn.Module:
        """Return the body with the stored weights of every package, all trainable."""
        return _join(body, config, lambda name, library, base: library.load(base, folder / name, config.parts[name]))

    def contradiction(
        self, folder: Path, config: MixtureConfig, architecture: PretrainedConfig, reshapes: bool
    ) -> str | None:
        """Return in what a package's stored configuration is another one than its part of ``config``; else None."""
        for name, part in config.parts.items():
            library = LIBRARIES.get(name)
            if isinstance(library, DescribedLibrary) and (
                differs := library.contradiction(folder / name, part, architecture, reshapes)
            ):
                return f"{name}: {differs}"
        return None

    def detach(self, body: Any) -> nn.Module:
        """Return the body without them, taken off in the order opposite to that in which they were put on."""
        bare: nn.Module = body
        for name in reversed(list(body.owned)):
            bare = LIBRARIES.get(name).detach(bare)
        return bare


def _join(body: Any, config: MixtureConfig, put: Callable[[str, Library, nn.Module], nn.Module]) -> nn.Module:
    owned = {}
    for name in [part for part in ORDER if part in config.parts]:
        body = put(name, LIBRARIES.get(name), body)
        owned[name] = [parameter for parameter in body.parameters() if parameter.requires_grad]
    for parameter in (weight for weights in owned.values() for weight in weights):
        parameter.requires_grad = True  # each package freezes what was there before it
    body.owned = owned
    model: nn.Module = body
    return model


@contextmanager
def _only(body: Any, name: str) -> Iterator[None]:
    """Let one package's weights alone be trainable while the block runs: plain saves what is trainable."""
    others = [weight for other, weights in body.owned.items() if other != name for weight in weights]
    for parameter in others:
        parameter.requires_grad = False
    yield
    for parameter in others:
        parameter.requires_grad = True


def _unwrap(body: Any) -> Any:
    return body.get_base_model() if "peft" in body.owned else body


LIBRARY = Mixture()
