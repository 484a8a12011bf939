"""One backbone for many adapters: they are hosted on it as their library does, or kept in a bank beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from adapter_workbench.workbench.adapters.adapter_folder import check_adapter
from adapter_workbench.workbench.backbone.bf16_matrices import shown_in_float32
from adapter_workbench.workbench.backbone.network import to_accelerator
from adapter_workbench.workbench.backbone.quantisation import keep_as_packed
from adapter_workbench.workbench.errors import InputError, opening
from adapter_workbench.workbench.methods.libraries import LIBRARIES
from adapter_workbench.workbench.methods.library import Banks, Hosts, HostsMixed
from adapter_workbench.workbench.methods.stored_model import adaptation_of

if TYPE_CHECKING:
    from torch import nn

    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.machine.device import Precision
    from adapter_workbench.workbench.methods.library import Bank


class SharedBody(Protocol):
    """A body on which one adapter answers, or each row is answered by its own."""

    @property
    def body(self) -> nn.Module:
        """Return the backbone with whatever answers on it."""

    @property
    def mixes(self) -> bool:
        """Return whether the rows of one batch can be of different adapters."""

    def switch(self, adapter: str) -> None:
        """Let one adapter answer, by its id."""

    def mix(self, owners: Sequence[str]) -> tuple[list[int], Mapping[str, Any]]:
        """Let each row of the next batch be answered by its own adapter.

        Returns the order that the rows have to be in, and what the forward pass has to be given beside the batch.
        """


class HostedAdapters:
    """Adapters on a body, as their library hosts them."""

    def __init__(self, adapters: Sequence[StoredAdapter], body: nn.Module, library: Hosts, backbone: Backbone) -> None:
        """Load every adapter onto a bare body."""
        self._library, self._active = library, ""
        self._names = {
            adapter.id: f"adapter-{index:03d}" for index, adapter in enumerate(adapters)
        }  # ids may have dots
        for adapter in adapters:
            with opening("the adapter", str(adapter.folder)), shown_in_float32(body):
                body = library.host(body, adapter.folder, self._names[adapter.id])
        self.body = (keep_as_packed(body) if backbone.quantization else body).eval()
        self.mixes = isinstance(library, HostsMixed) and library.mixes(body)

    def switch(self, adapter: str) -> None:
        """See :meth:`SharedBody.switch`; nothing is done for the adapter that answers already."""
        if self._active != adapter:
            self._library.switch(self.body, self._names[adapter])
            self._active = adapter

    def mix(self, owners: Sequence[str]) -> tuple[list[int], Mapping[str, Any]]:
        """See :meth:`SharedBody.mix`; rows of one adapter follow each other."""
        if not isinstance(self._library, HostsMixed):
            raise TypeError("this library has no mixed batches")
        order, self._active = sorted(range(len(owners)), key=lambda row: owners[row]), ""
        return order, self._library.mix(self.body, [self._names[owners[row]] for row in order])


@dataclass(frozen=True)
class BankedAdapters:
    """Adapters of a bank; other sets may use the same bank, and those that they have in common."""

    bank: Bank  # the body, and how they answer on it
    by_id: Mapping[str, Any]  # what the bank has read of each
    by_identity: Mapping[str, Any]  # the same, to be found again where an adapter has not changed

    @property
    def body(self) -> nn.Module:
        """The backbone, which holds none of them."""
        return self.bank.body

    @property
    def mixes(self) -> bool:
        """Whether the rows of one batch can be of different adapters."""
        return self.bank.mixes

    def switch(self, adapter: str) -> None:
        """See :meth:`SharedBody.switch`; it holds for the thread that calls."""
        self.bank.use([self.by_id[adapter]])

    def mix(self, owners: Sequence[str]) -> tuple[list[int], Mapping[str, Any]]:
        """See :meth:`SharedBody.mix`; it holds for the thread that calls."""
        return self.bank.use([self.by_id[owner] for owner in owners]), {}


def shared_body(
    adapters: Sequence[StoredAdapter],
    backbone: Backbone,
    before: SharedBody | None = None,
    bank_bytes: int | None = None,
) -> BankedAdapters | HostedAdapters:
    """Return a body for adapters of one method and precision, whose matrices are kept as one budget says.

    They are in a bank where all of them can be. The bank of ``before`` is used again then, and what it has read; a new
    one holds ``bank_bytes`` in memory, or all.

    Raises:
        InputError: one cannot be opened, or belongs to a library that keeps one adapter at a time.
    """
    manifest = adapters[0].manifest
    library = LIBRARIES.get(manifest.library)
    if not isinstance(library, Hosts):
        raise InputError(f"{manifest.method} cannot be switched: {manifest.library} holds one adapter at a time")
    banked = before if isinstance(before, BankedAdapters) else None
    for adapter in adapters:
        if not banked or adapter.identity not in banked.by_identity:
            with opening("the adapter", str(adapter.folder)):
                check_adapter(adapter.folder)
    adaptation = adaptation_of(manifest, backbone)
    body = banked.body if banked else adaptation.pretrained()
    if isinstance(library, Banks):
        bank = banked.bank if banked else _empty_bank(library, body, backbone, manifest.precision, bank_bytes)
        if opened := _read(adapters, bank, banked.by_identity if banked else {}):
            return opened
    return HostedAdapters(adapters, adaptation.pretrained() if banked else body, library, backbone)


def _empty_bank(
    library: Banks, body: nn.Module, backbone: Backbone, precision: Precision, most_bytes: int | None
) -> Bank:
    body = (keep_as_packed(body) if backbone.quantization else body).eval()
    to_accelerator(body)
    return library.bank(body, precision, most_bytes)


def _read(adapters: Sequence[StoredAdapter], bank: Bank, known: Mapping[str, Any]) -> BankedAdapters | None:
    """Return the adapters in a bank; None where one of them is not of the sort that can be there."""
    by_identity: dict[str, Any] = {}
    for adapter in adapters:
        read = known.get(adapter.identity) or by_identity.get(adapter.identity)
        if read is None:
            with opening("the adapter", str(adapter.folder)):
                read = bank.read(adapter.folder)
        if read is None:
            return None
        by_identity[adapter.identity] = read
    return BankedAdapters(bank, {adapter.id: by_identity[adapter.identity] for adapter in adapters}, by_identity)
