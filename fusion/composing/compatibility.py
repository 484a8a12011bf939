"""Which adapters can be composed with each other at all; all reasons against it are reported at once."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.stored_model import adaptation_of, require_described

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from transformers import PretrainedConfig

    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.settings.base import MethodSettings


def require_compatible(sources: Sequence[StoredAdapter], backbone: Backbone) -> None:
    """Make sure that ``sources`` can be composed on ``backbone``.

    They need the backbone's own weights and pooling, one library and one kind of task, and to be LoRAs or bottlenecks;
    bottlenecks also one architecture, while LoRAs may differ in rank, scaling and in the modules that they adapt.
    Tokenizers are not compared: a manifest holds a digest of weights only.

    Raises:
        InputError: something stands against it; the message names every reason, source by source.
    """
    by_source = reasons(sources, backbone)
    if by_source:
        lines = "".join(f"\n  {name}: {reason}" for name, complaints in by_source.items() for reason in complaints)
        raise InputError(f"these adapters cannot be composed on {backbone.name!r}{lines}")
    for source in sources:
        require_described(source, backbone)


def reasons(sources: Sequence[StoredAdapter], backbone: Backbone) -> dict[str, tuple[str, ...]]:
    """Return why sources cannot be composed, by id; the key ``sources`` is for all of them. Empty if they can."""
    if not sources:
        return {"sources": ("there are none; give at least one adapter",)}
    counts = Counter(source.id for source in sources)
    by_source = {source.id: tuple(_complaints(source, sources[0], backbone)) for source in sources}
    for name, count in counts.items():
        if count > 1:
            by_source[name] += (f"is given {count} times",)
    return {name: complaints for name, complaints in by_source.items() if complaints}


def likeness(source: StoredAdapter) -> tuple[str, ...]:
    """Return what adapters of one kind of task have to have in common to be composed, as far as it is of their own."""
    manifest = source.manifest
    if manifest.library != "adapters":
        return (manifest.library,)
    from adapter_workbench.fusion.target.bottleneck import (
        architecture,  # imports torch, which is not needed to report mistakes
    )

    return manifest.library, manifest.method, json.dumps(architecture(source), sort_keys=True)


def why_unfit(method: str, settings: MethodSettings, config: PretrainedConfig) -> str | None:
    """Return what adapters of a fine-tuning method are, where that cannot be composed; None where it can.

    Nothing has to be trained for this. Of adapters of other libraries than these two, a composition says itself
    whether it takes them.
    """
    from adapter_workbench.fusion.target import bottleneck  # imports torch, which is not needed to report mistakes
    from adapter_workbench.fusion.updates import lora  # imports torch, which is not needed to report mistakes

    card = METHODS.get(method)
    if card.library == "adapters":
        return bottleneck.unfit(card.configure(settings, config))
    return lora.unfit(card.configure(settings, config).to_dict()) if card.library == "peft" else None


def why_source_unfit(source: StoredAdapter, backbone: Backbone) -> str | None:
    """Return the same of a stored adapter."""
    adaptation = adaptation_of(source.manifest, backbone)
    return why_unfit(adaptation.method, adaptation.settings, backbone.config)


def _complaints(source: StoredAdapter, first: StoredAdapter, backbone: Backbone) -> Iterator[str]:
    manifest, like = source.manifest, first.manifest
    if manifest.backbone.fingerprint != backbone.fingerprint:
        yield f"was trained on other weights ({manifest.backbone.name})"
    elif manifest.backbone.pooling != backbone.pooling:
        yield f"pools over {manifest.backbone.pooling}, the backbone over {backbone.pooling}"
    if manifest.task.kind != like.task.kind:
        yield f"answers {manifest.task.kind}, {first.id} {like.task.kind}"
    if manifest.library != like.library:
        yield f"is of {manifest.library} ({manifest.method}), {first.id} of {like.library} ({like.method})"
    elif manifest.library == "adapters":
        yield from _other_architecture(source, first)
    if manifest.library == "peft":
        yield from _why_unreadable(source)
    elif why := why_source_unfit(source, backbone):
        yield f"is of {manifest.method}: {why}"


def _other_architecture(source: StoredAdapter, first: StoredAdapter) -> Iterator[str]:
    """Yield in what a bottleneck is another than the first one: where it sits, how wide it is, what it computes."""
    from adapter_workbench.fusion.target.bottleneck import architecture

    own, like = architecture(source), architecture(first)
    differing = sorted(key for key in own.keys() | like.keys() if own.get(key) != like.get(key))
    if source.manifest.method != first.manifest.method or "reduction_factor" in differing:
        yield f"is {_method_in_words(source, own)}, {first.id} {_method_in_words(first, like)}"
    elif differing:
        key = differing[0]
        yield f"has {key} {own.get(key)!r}, {first.id} {like.get(key)!r}"


def _method_in_words(source: StoredAdapter, architecture: Mapping[str, Any]) -> str:
    factor = architecture.get("reduction_factor")
    return f"{source.manifest.method} with reduction factor {_number(factor)}" if factor else source.manifest.method


def _number(factor: Any) -> str:
    return f"{factor:g}" if isinstance(factor, int | float) else str(factor)


def _why_unreadable(source: StoredAdapter) -> Iterator[str]:
    """Yield why a LoRA cannot be read as low-rank updates, if it cannot."""
    from adapter_workbench.fusion.updates import lora

    try:
        lora.read(source.folder)
    except InputError as error:
        yield error.what
