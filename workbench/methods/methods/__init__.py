"""Fine-tuning methods, one file each: a card that names the paper, and the few lines that configure the library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.libraries import LIBRARIES
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.registry import Modules

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from adapter_workbench.workbench.settings.base import MethodSettings, Quantization


class Methods(Modules[Method]):
    """The methods of this folder, and ``a+b`` for any two or more of them."""

    def get(self, name: str, where: str | None = None) -> Method:
        """Return the method called ``name``, or the mixture of those whose names ``name`` joins with ``+``.

        Raises:
            UnknownNameError: no such method.
        """
        if not isinstance(name, str) or "+" not in name:
            return super().get(name, where)
        from adapter_workbench.workbench.methods.methods._mixture import mixture

        return mixture(tuple((part, super(Methods, self).get(part, where)) for part in name.split("+")))

    def identity(self, name: str, settings: MethodSettings | None = None) -> str:
        """Return what stands in keys for a method: its name, its revision where that is above 1, and its code.

        The revision is the last one, or the last one that changed what ``settings`` give.
        """
        card = self.get(name)
        revision = card.revision if settings is None else card.revision_of(settings)
        return super().identity(name) if revision == 1 else f"{super().identity(name)}@{revision}"

    def code(self, name: str) -> dict[str, str]:
        """Return the code behind a method, or behind each part of a mixture, with that of its library."""
        digests: dict[str, str] = {}
        for part in name.split("+"):
            if own := super().code(part):  # the libraries of our own methods are our own
                digests |= own | LIBRARIES.code(super().get(part).library)
        return digests


METHODS = Methods("method", __name__, "METHOD", Method, command="workbench methods list")


def trained_methods() -> list[str]:
    """Return the names of the methods that train from nothing, sorted; the others are made of adapters."""
    return [name for name in METHODS.names() if not METHODS.get(name).composed]


def trained_method(name: str, where: str | None = None) -> Method:
    """Return a method that trains from nothing.

    Raises:
        UnknownNameError: no method has this name.
        InputError: the method is made of other adapters.
    """
    card = METHODS.get(name, where)
    if card.composed:
        hint = f"Use `workbench fuse TARGET --from ID,ID,… --method {name}`."
        raise InputError(
            f"{name} is composed of other adapters and cannot be trained from scratch", where=where, hint=hint
        )
    return card


def require_possible(
    name: str,
    settings: MethodSettings,
    config: PretrainedConfig,
    kind: str,
    where: str | None = None,
    bits: Quantization | None = None,
) -> None:
    """Make sure that a method can work on a backbone, for a kind of task; only the backbone's config is read.

    ``bits``: in how many the backbone's linear layers are kept, where they are quantised.

    Raises:
        InputError: it cannot; the message says why, and which methods can.
    """
    if bits:
        _require_packable(name, bits, where)
    if objection := METHODS.get(name).objection(settings, config, kind):
        possible = possible_methods(config, kind)
        message = f"{name} cannot adapt a {config.model_type} for {kind}: {objection}"
        raise InputError(message, where=where, hint=f"These can: {', '.join(possible)}.")


def _require_packable(name: str, bits: Quantization, where: str | None) -> None:
    card = METHODS.get(name)
    hint = "Take a method that adds weights (lora, pfeiffer, …), or leave the quantisation out."
    if card.trains_backbone:
        message = f"{name} trains the backbone's own weights, and with {bits} these stay packed"
        raise InputError(message, where=where, hint=hint)
    if bits in card.fails_on:
        raise InputError(
            f"{name} has to read the backbone's weights, and with {bits} these are packed", where=where, hint=hint
        )


def possible_methods(config: PretrainedConfig, kind: str) -> list[str]:
    """Return the names of the methods that, as they come, can train on a backbone, for a kind of task."""
    return [name for name in trained_methods() if _has_no_objection(name, config, kind)]


def _has_no_objection(name: str, config: PretrainedConfig, kind: str) -> bool:
    card = METHODS.get(name)
    defaults: Any = card.settings
    return card.objection(defaults(), config, kind) is None
