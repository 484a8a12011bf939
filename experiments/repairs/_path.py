"""Between two sets of shared weights: (1 − share) W + share W′ for every weight matrix, and for the heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.repairs import Shared
from adapter_workbench.workbench.adapters.adapter_folder import PEFT_WEIGHTS
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from adapter_workbench.experiments.repairs import EndOfStream
    from adapter_workbench.fusion.updates.lowrank import Update


def without_path(stream: EndOfStream) -> str | None:
    """Return why nothing lies between two sets of weights: they are neither trained in place nor plain LoRAs; or None.

    Between the parameters of other methods lies no straight path of the weights that the model computes with.
    """
    if stream.context.adaptation.card.library == "plain":
        return None if stream.context.adaptation.card.trains_body else "the weights below the heads were never trained"
    return without_lora(stream)


def without_body(stream: EndOfStream) -> str | None:
    """Return why there is no body that all tasks share, or None."""
    return "its tasks share several LoRAs, and no one body" if stream.groups.groups else None


def without_lora(stream: EndOfStream) -> str | None:
    """Return why the shared weights are no plain LoRA, or None."""
    if several := without_body(stream):
        return several
    method, folder = stream.context.adaptation.method, stream.last.existing / "body"
    if not (folder / PEFT_WEIGHTS).is_file():
        return f"the weights of {method} are no LoRA"
    from adapter_workbench.fusion.updates import lora  # torch comes with it

    try:
        lora.read(folder)
    except InputError as error:
        return error.what
    return None


def between(stream: EndOfStream, before: EndOfStream | None, share: float) -> Shared:
    """Return the weights a ``share`` of the way from the end of ``stream`` to the end of ``before``; None: pretrained.

    Of a head those rows are moved that both have; the pretrained backbone has none.

    Args:
        stream: where the path begins.
        before: the same stream at an earlier stage.
        share: 0 for the end of the stream, 1 for the earlier state.
    """
    from adapter_workbench.fusion.updates import lora
    from adapter_workbench.fusion.updates.lowrank import aligned, stack

    now = stream.open()
    if stream.context.adaptation.card.library == "plain":
        earlier = before.open().body if before else stream.context.adaptation.backbone.load()
        _move(now.body, earlier, share)
        body = now.body
    else:
        updates: list[Update] = [lora.read(end.last.existing / "body") for end in (stream, before) if end]
        update = {name: stack(pairs, [1 - share, share][: len(pairs)]) for name, pairs in aligned(updates)}
        body, _ = lora.attach(stream.context.adaptation.backbone, update)
    if before:
        _move_heads(now.heads, before.open().heads, share)
    return Shared(body, now.heads)


def _move(body: nn.Module, earlier: nn.Module, share: float) -> None:
    was = dict(earlier.named_parameters())
    for name, weight in body.named_parameters():
        if weight.requires_grad:
            weight.data.lerp_(was[name].data.to(weight), share)


def _move_heads(heads: Mapping[str, nn.Module], earlier: Mapping[str, nn.Module], share: float) -> None:
    for name, head in earlier.items():
        for part, was in head.named_parameters():
            heads[name].get_parameter(part).data[: len(was)].lerp_(was.data, share)
