"""What another program trained comes into a workspace: what its folder does not say is asked, or derived and told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.answers.head_fitting import head_fit
from tasks import registry
from workbench.backbone_names import BACKBONES, BackboneCard, open_backbone
from workbench.choosing import readable
from workbench.elsewhere.forms import sent as found_in
from workbench.errors import InputError
from workbench.manifest import TaskReference
from workbench.settings import read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from workbench.backbone import Backbone
    from workbench.elsewhere.form import Sent
    from workbench.listener import Listener
    from workbench.store import AdapterStore
    from workbench.stored_adapter import StoredAdapter
    from workbench.task import Task

MOST_NAMED = 6  # labels that a message lists


@dataclass(frozen=True)
class Wanted:
    """What a person says of a folder.

    Attributes:
        task: the task here that the adapter answers.
        backbone: the base model: a name, hub id or folder.
        name: the beginning of the adapter's id.
        labels: in the order of the sender's numbers.
        max_length: tokens; longer texts are cut.
    """

    task: str | None = None
    backbone: str | None = None
    name: str | None = None
    labels: tuple[str, ...] | None = None
    max_length: int | None = None


def arrived(
    store: AdapterStore, folder: Path, wanted: Wanted, task_folders: Sequence[Path], listener: Listener
) -> StoredAdapter:
    """Return what another program wrote into ``folder`` as an adapter of ``store``.

    Raises:
        InputError: the folder is none that is taken in, something has to be said, or what it says does not fit.
        UnsafeConfigError: it would run code.
    """
    sent = found_in(folder)
    task = registry.load(registry.find(wanted.task, task_folders)) if wanted.task else None
    backbone = _backbone(sent, wanted.backbone, store)
    kind = _kind(sent, task)
    if task is not None and not sent.kinds:
        order, fit = task.labels, head_fit(task, backbone, listener)
    else:
        order, fit = _order(sent, sent.outputs(backbone, kind), wanted, task), None
    from workbench.elsewhere.taking_in import Said, take_in  # torch comes with it; mistakes are reported without it

    reference = _reference(kind, order, task, folder)
    return take_in(sent, Said(backbone, reference, order, wanted.max_length, wanted.name, fit), store)


def _backbone(sent: Sent, named: str | None, store: AdapterStore) -> Backbone:
    """Return the base model: the one that is named, or one that is known here under its sender's name."""
    if named:
        return open_backbone(named, "--backbone")
    known = {read(BACKBONES.path(name)).parse(BackboneCard).hub_id: name for name in BACKBONES.names()}
    for reference in (manifest.backbone for manifest in readable(store)):
        known |= {reference.hub_id: reference.name} if reference.hub_id else {}
    if sent.base in known:
        return open_backbone(known[sent.base])
    called = f"Its sender calls it {sent.base!r}. " if sent.base else ""
    hint = f"{called}Name it: workbench adapters import {sent.folder} --backbone NAME (a name, hub id or folder)."
    raise InputError("the base model is not known here", where=str(sent.folder), hint=hint)


def _kind(sent: Sent, task: Task | None) -> str:
    """Return the kind of task that it answers: what its files tell, within which ``--task`` says more."""
    if task is None and not sent.kinds:
        hint = (
            "Without a head it answers nothing by itself. Name a task, and a linear head is fitted here on the frozen "
            f"features of its training examples: workbench adapters import {sent.folder} --task NAME."
        )
        raise InputError("there is no head in this folder", where=str(sent.folder), hint=hint)
    if task is None:
        return sent.kinds[0]
    if sent.kinds and task.kind not in sent.kinds:
        message = f"this adapter answers {' or '.join(sent.kinds)}, and {task.name} is {task.kind}"
        raise InputError(message, where="--task")
    return task.kind


def _order(sent: Sent, outputs: int | None, wanted: Wanted, task: Task | None) -> tuple[str, ...]:
    """Return the labels in the order of the logits; none where answers are texts or numbers."""
    if outputs is None or (task is not None and task.kind == "regression"):
        return ()
    order = wanted.labels or sent.labels
    if order is None:
        like = f" The labels of {task.name} are: {', '.join(task.labels[:MOST_NAMED])}." if task else ""
        hint = f"Name them in the order of its numbers: --labels NAME,NAME,….{like}"
        raise InputError(f"this folder does not name its {outputs} labels", where=str(sent.folder), hint=hint)
    if len(order) != outputs:
        message = f"its head has {outputs} labels, and {len(order)} are named"
        raise InputError(message, where="--labels" if wanted.labels else str(sent.folder))
    if len(set(order)) != len(order):
        raise InputError("two labels have the same name", where="--labels" if wanted.labels else str(sent.folder))
    if task is not None and set(order) != set(task.labels):
        unknown, missing = sorted({*order} - {*task.labels}), sorted({*task.labels} - {*order})
        parts = [
            f"{what}: {', '.join(names[:MOST_NAMED])}"
            for what, names in (("unknown to the task", unknown), ("missing in the adapter", missing))
            if names
        ]
        hint = "Name them in the order of its numbers as the task names them: --labels NAME,NAME,…"
        raise InputError(f"the labels are not those of {task.name}; {'; '.join(parts)}", where="--task", hint=hint)
    return order


def _reference(kind: str, order: tuple[str, ...], task: Task | None, folder: Path) -> TaskReference:
    """Return the task of the manifest: its data are unknown, whichever it is."""
    origin = "unknown: trained elsewhere"
    if task is None:
        name = re.sub(r"[^\w.+-]+", "-", folder.resolve().name).strip("-.") or "elsewhere"
        scale = (0.0, 1.0) if kind == "regression" else None
        return TaskReference(name=name, kind=kind, labels=order, fingerprint="", origin=origin, scale=scale)
    return TaskReference(
        name=task.name,
        kind=kind,
        labels=task.labels,
        fingerprint="",
        origin=origin,
        pair=task.pair,
        metric=task.metric,
        max_new_tokens=task.max_new_tokens,
        scale=(0.0, 1.0) if kind == "regression" else None,
    )
