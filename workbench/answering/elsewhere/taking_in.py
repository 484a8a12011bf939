"""What another program trained becomes an adapter of a store, and answers as that program does, or is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from torch import nn

from adapter_workbench.workbench.adapters.adapter_folder import check_adapter
from adapter_workbench.workbench.adapters.manifest import BackboneReference, Elsewhere, HeadReference, Manifest
from adapter_workbench.workbench.adapters.stored_adapter import README, StoredAdapter
from adapter_workbench.workbench.answering.elsewhere.comparison_texts import POOLED, try_sender
from adapter_workbench.workbench.answering.elsewhere.head_form import difference_of_batches, matching_head
from adapter_workbench.workbench.answering.elsewhere.headless import with_fitted_head
from adapter_workbench.workbench.answering.elsewhere.identity import SHORT, import_key, stored_as, stored_earlier
from adapter_workbench.workbench.answering.elsewhere.original import keep
from adapter_workbench.workbench.backbone.architecture import positions
from adapter_workbench.workbench.backbone.model_folder import ITSELF
from adapter_workbench.workbench.errors import InputError, blaming
from adapter_workbench.workbench.files.atomic import folder_beside, make_folder, remove_whole
from adapter_workbench.workbench.machine.quiet import without_advice
from adapter_workbench.workbench.methods import card
from adapter_workbench.workbench.methods.adaptation import HEAD_FILE
from adapter_workbench.workbench.methods.layered_head import LINEAR
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.stored_model import adaptation_of, open_adapter
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.settings.bounds import FEWEST_TOKENS, MOST_TOKENS

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from adapter_workbench.workbench.adapters.manifest import TaskReference
    from adapter_workbench.workbench.adapters.store import AdapterStore
    from adapter_workbench.workbench.answering.elsewhere.form import Sender, SentFolder
    from adapter_workbench.workbench.answering.elsewhere.headless import Fit
    from adapter_workbench.workbench.backbone.pretrained import Backbone

LONGEST = 8192  # tokens, where neither tokenizer nor positions end before that


@dataclass(frozen=True)
class ImportDetails:
    """What an import needs beyond the folder."""

    backbone: Backbone  # the base model
    task: TaskReference  # that the adapter answers; its labels in the order in which they are to be kept
    order: tuple[str, ...]  # the labels in the order of the sender's logits
    max_length: int | None = None  # tokens; longer texts are cut. None: as many as the model reads
    name: str | None = None  # of the adapter, the beginning of its id; None: task and method
    fit: Fit | None = None  # gives a head where none is stored, and the task's kind has none of its own
    examples: str = ""  # the fingerprint of those on which that is fitted

    @property
    def rows(self) -> list[int]:
        """For each label of the task the index of its logit; empty for a task without labels."""
        return [self.order.index(label) for label in self.task.labels]

    @property
    def meaning(self) -> tuple[Any, ...]:
        """All that the answers depend on: the same folder with another meaning is another adapter."""
        task = self.task
        about = (task.name, task.kind, task.labels, task.pair, task.metric)
        base = (self.backbone.fingerprint, *([ITSELF] if self.backbone.name == ITSELF else []))
        return (*base, *about, self.order, self.max_length, self.examples)


def take_in(sent: SentFolder, options: ImportDetails, store: AdapterStore) -> tuple[StoredAdapter, bool]:
    """Return the adapter, stored, and whether it was before; on texts its logits are those of the sender's own program.

    Where no head is stored, its token states are. A folder that came in before, with the same said of it, is not read
    again: its adapter stays as it is.

    Raises:
        InputError: the files do not fit the base model, it cannot read so many tokens, or the sender's answers cannot
            be repeated.
    """
    store.sweep()
    key = import_key(sent, *options.meaning)
    if here := stored_as(store, key) or stored_earlier(store, sent, options.task.name, *options.meaning):
        return here, True
    with without_advice("peft"):
        return _store_adapter(sent, options, store, key[:SHORT]), False


def _store_adapter(sent: SentFolder, options: ImportDetails, store: AdapterStore, ending: str) -> StoredAdapter:
    """Return the adapter, stored under an id with this ``ending``; raises as :func:`take_in`."""
    is_headless = not sent.kinds
    kind = None if is_headless else options.task.kind
    sender = sent.open_sender(options.backbone, kind, max(len(options.order), 1))
    max_length = options.max_length or _longest(options.backbone, sender.virtual)
    options.backbone.require_length(max_length, str(sent.folder), sender.virtual)
    with make_folder(store.root), folder_beside(store.root / sent.method) as folder, torch.inference_mode():
        with blaming("the sender's program fails on its first text", str(sent.folder)):
            batches, wanted = try_sender(sender, options.backbone, kind)
        sender.write(folder)
        sender = replace(sender, program=nn.Identity(), write=lambda folder: None)  # its weights leave memory
        check_adapter(folder)
        bare = _manifest(sent, sender, options, max_length)
        if is_headless:
            manifest = with_fitted_head(bare, folder, options.backbone, sender.pooling, options.fit)
        else:
            manifest = bare.model_copy(update={"head": _write_head(bare, folder, options, sender, batches, wanted)})
        manifest = manifest.model_copy(
            update={"id": f"{options.name or f'{options.task.name}-{sent.method}'}-{ending}"}
        )
        if sent.kept_files:
            keep(sent.folder, sent.kept_files, folder)
        _require_same(StoredAdapter(manifest, folder), options, batches, wanted, sender.rounding, is_headless)
        (folder / README).write_text(card.render(manifest), encoding="utf-8")
        if manifest.id in store:  # damaged, else it had been taken as it is
            remove_whole(store.folder(manifest.id))
        return store.save(manifest, lambda draft: _move(folder, draft))


def _manifest(sent: SentFolder, sender: Sender, options: ImportDetails, max_length: int) -> Manifest:
    """Return the manifest of an adapter without an id, under one linear layer on the backbone's pooling."""
    return Manifest(
        id=sent.method,
        task=options.task,
        backbone=BackboneReference(
            **{name: getattr(options.backbone, name) for name in BackboneReference.model_fields}
        ),
        method=sent.method,
        library=METHODS.get(sent.method).library,
        settings=dict(sender.settings),
        budget=Budget(max_length=max_length),
        precision="fp32",
        seed=None,
        fit=None,
        metrics={},
        versions={},
        created=None,
        imported=datetime.now(UTC).isoformat(timespec="seconds"),
        config=None if sender.config is None else dict(sender.config),
        elsewhere=Elsewhere(program=sent.program, base=sent.base, labels=options.order, original=dict(sender.original)),
        linked=sender.linked,
    )


def _longest(backbone: Backbone, virtual: int) -> int:
    """Return how many tokens the sender's program reads where nothing is cut, after ``virtual`` ones of its own.

    As many as an adapter here may read are enough; fewer than that needs are not, and the length is then refused.
    """
    room = positions(backbone.config)
    longest = int(min(backbone.tokenizer.model_max_length, LONGEST if room is None else room - virtual))
    return min(max(longest, FEWEST_TOKENS), MOST_TOKENS)


def _write_head(
    bare: Manifest,
    folder: Path,
    options: ImportDetails,
    sender: Sender,
    batches: Sequence[Any],
    wanted: Sequence[Tensor],
) -> HeadReference | None:
    """Write the head into the folder, its last rows in the order of the task's labels, and return what it is.

    None: one linear layer on the backbone's pooling, or a language model's own.
    """
    if not sender.head:
        return None
    network = adaptation_of(bare, options.backbone).load(folder, nn.Identity(), options.task.kind)
    pools = options.task.kind in POOLED
    matched = matching_head(network, sender.head, batches, wanted, sender.rounding, pools)
    tensors: dict[str, Tensor] = matched.head.state_dict()
    reference: HeadReference | None = matched.reference
    if _is_usual(matched.reference, options.backbone, pools):
        tensors, reference = _linear(sender), None
    rows = options.rows
    last = f"{len(reference.layers) - 1}." if reference else ""
    for name in (f"{last}weight", f"{last}bias"):
        if rows and name in tensors:
            tensors[name] = tensors[name][rows]
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, folder / HEAD_FILE)
    return reference


def _is_usual(head: HeadReference, backbone: Backbone, pools: bool) -> bool:
    """Return whether a head is one linear layer on what the backbone's own pooling gives, or on each token's state."""
    return head.layers == (LINEAR,) and not head.virtual and (not pools or head.pooling == backbone.pooling)


def _linear(sender: Sender) -> dict[str, Tensor]:
    """Return weight and bias of a head that is one linear layer; one without a bias gets zeros."""
    *_, layer = sender.head.values()
    state = {name: tensor.detach() for name, tensor in layer.state_dict().items()}
    return {"bias": torch.zeros(len(state["weight"])), **state}


def _require_same(
    stored: StoredAdapter,
    options: ImportDetails,
    batches: Sequence[Any],
    wanted: Sequence[Tensor],
    rounding: float,
    is_headless: bool,
) -> None:
    """Make sure that the adapter's logits (or token states) are those of the sender's program; raises InputError."""
    model = open_adapter(stored, options.backbone)
    rows = [] if is_headless else options.rows
    answers = (model.states(**batch) if is_headless else model(**batch)["logits"] for batch in batches)
    off = difference_of_batches(answers, [right[..., rows] if rows else right for right in wanted])
    if not off <= rounding:
        largest = "token state" if is_headless else "logit"
        message = f"the answers here would differ from the sender's by {off:.1e} of the largest {largest}"
        raise InputError(message, hint="Its own program can still be used.")


def _move(folder: Path, draft: Path) -> None:
    for path in sorted(folder.iterdir()):
        path.rename(draft / path.name)
