"""Kinds of task, one file each: columns, head, collator, decoding, metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kind import Kind
from adapter_workbench.workbench.settings.registry import Modules

if TYPE_CHECKING:
    from transformers import PretrainedConfig

KINDS: Modules[Kind] = Modules("kind", __name__, "KIND", Kind)


def require_answerable(kind: str, config: PretrainedConfig, where: str | None = None) -> None:
    """Make sure that a backbone can answer tasks of a kind; only its config is read.

    Raises:
        InputError: it cannot; the message says why, and which kinds it can.
    """
    if objection := KINDS.get(kind).objection(config):
        possible = [name for name in KINDS.names() if KINDS.get(name).objection(config) is None]
        backbone = f"{config.model_type} ({', '.join(config.architectures or ['no architecture named'])})"
        message = f"this backbone cannot be used for {kind}: a {backbone} {objection}"
        raise InputError(message, where=where, hint=f"It can be used for {', '.join(possible)}.")
