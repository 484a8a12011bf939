"""What a library of adapters does with a backbone; each fulfils these protocols."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import nn
    from transformers import PretrainedConfig

    from adapter_workbench.workbench.machine.device import Precision


class Library(Protocol):
    """How one package puts weights on a backbone, saves them, loads them and takes them off again."""

    def attach(self, body: nn.Module, config: Any) -> nn.Module:
        """Return ``body`` with fresh weights on it; only they (and nothing else) require gradients."""

    def save(self, body: nn.Module, folder: Path) -> None:
        """Write what was trained into ``folder``, in the package's own format, as safetensors."""

    def load(self, body: nn.Module, folder: Path, config: Any) -> nn.Module:
        """Return a bare ``body`` with the weights of ``folder`` on it, trainable as after :meth:`attach`."""

    def detach(self, body: nn.Module) -> nn.Module:
        """Return the bare backbone again, byte for byte; only one that was trained whole stays as it was trained."""


@runtime_checkable
class CallsLayers(Protocol):
    """A library that leaves the backbone's linear layers what they are, and calls them.

    Other libraries replace layers, or compute with the weights themselves, so that these have to be in the type in
    which the model computes.
    """

    calls_layers: bool


@runtime_checkable
class DescribedLibrary(Protocol):
    """A library whose stored adapters have a config of their own beside the manifest's settings."""

    def contradiction(self, folder: Path, config: Any, architecture: PretrainedConfig, reshapes: bool) -> str | None:
        """Return in what the config in ``folder`` computes something else than the manifest's; None where it does not.

        Args:
            folder: of a stored adapter.
            config: that the manifest's method makes of its settings.
            architecture: of the backbone.
            reshapes: whether a fit of the method may leave other ranks than it began with.
        """


@runtime_checkable
class Configurable(Protocol):
    """A library that reads its configuration from a document: adapters of other programs can be its own."""

    def configuration(self, described: Mapping[str, Any]) -> Any:
        """Return the library's configuration object with the fields that a manifest has for an adapter."""


@runtime_checkable
class Merges(Protocol):
    """A library that can write an update into the backbone's weights, where the method is of that sort."""

    def merge(self, body: nn.Module) -> nn.Module | None:
        """Return the bare backbone with the update in its weights; None where the method's update is no such thing."""


@runtime_checkable
class Hosts(Protocol):
    """A library that can keep several stored adapters on one backbone, and switch between them."""

    def host(self, body: nn.Module, folder: Path, name: str) -> nn.Module:
        """Return the body, bare or hosting already, with the adapter stored in ``folder`` on it, frozen and named."""

    def switch(self, body: nn.Module, name: str) -> None:
        """Let the adapter hosted as ``name`` answer, and no other."""


@runtime_checkable
class HostsMixed(Hosts, Protocol):
    """A library on whose bodies rows of one batch can be of different hosted adapters, where their methods allow it."""

    def mixes(self, body: nn.Module) -> bool:
        """Return whether the rows of one batch can be of different adapters."""

    def mix(self, body: nn.Module, names: Sequence[str]) -> Mapping[str, Any]:
        """Let each row of the next batch be answered by its own adapter; rows of one adapter follow each other.

        Returns what the forward pass has to be given beside the batch.
        """


class UnmixableError(Exception):
    """The rows of this batch cannot be of different adapters: a layer may see something else than an entry a row."""


class Bank(Protocol):
    """Adapters beside a body, which holds none of them: any number can come and go, and none costs the others time.

    Attributes:
        body: the bare backbone.
        mixes: whether rows of one batch can be of different adapters, as far as is known.
    """

    body: nn.Module
    mixes: bool

    def read(self, folder: Path) -> Any | None:
        """Return the adapter stored in ``folder``; None where it is not of the sort that can be beside a body."""

    def use(self, adapters: Sequence[Any]) -> list[int]:
        """Let ``adapters[i]`` answer row i of each batch that this thread gives the body from now on; or one all rows.

        Returns the order in which the batch has to have its rows. The pass raises :class:`UnmixableError` where they
        cannot be of different adapters.
        """


@runtime_checkable
class Banks(Protocol):
    """A library that can keep some sorts of adapters beside a body."""

    def bank(self, body: nn.Module, precision: Precision, most_bytes: int | None = None) -> Bank:
        """Return an empty bank beside a bare ``body``, which stands where it computes, in this precision.

        It holds ``most_bytes`` of adapters in memory, or all, and reads the others from their files as they answer.
        """

    def fits_bank(self, architecture: PretrainedConfig) -> Callable[[Path], bool]:
        """Return what tells of a stored adapter's folder whether it is of the sort that can be in a bank."""
