"""Checkpoints and adapters that exist already are found: where each is, and what tells its weights from others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.strategies._checkpoint import Checkpoint, Labels
from adapter_workbench.experiments.strategies._heads import FOLDER as HEADS
from adapter_workbench.workbench.adapters.manifest import MANIFEST, read_sent_manifest
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.answering.elsewhere.base_fit import require_its_base
from adapter_workbench.workbench.answering.elsewhere.forms import read_folder
from adapter_workbench.workbench.answering.elsewhere.identity import key_of
from adapter_workbench.workbench.answering.elsewhere.label_names import named_labels
from adapter_workbench.workbench.answering.elsewhere.location import locate
from adapter_workbench.workbench.answering.elsewhere.model_files import has_tokenizer
from adapter_workbench.workbench.answering.elsewhere.whole_model import SentModel
from adapter_workbench.workbench.backbone.architecture import is_causal
from adapter_workbench.workbench.backbone.fingerprints import config_facts, tokenizer_digests
from adapter_workbench.workbench.backbone.model_folder import weight_files
from adapter_workbench.workbench.backbone.names import BACKBONES, model_in, open_backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.files.digest import digest, key
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.stored_model import backbone_of, require_backbone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from adapter_workbench.workbench.answering.elsewhere.form import SentFolder
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.task import Task

BODY, STATE = "body", "state"
BESIDE = {  # file of a state → the strategy that answers with what it holds, and not with body and heads alone
    "masks.safetensors": "mask",
    "embeddings.safetensors": "hypernetwork",
    "solution.safetensors": "ranpac",
    "body/pool.safetensors": "l2p",
}


def read_checkpoints(
    names: Sequence[str],
    backbone: Backbone,
    tasks: Sequence[Task],
    where: str,
    labels: Mapping[str, Labels] | None = None,
) -> tuple[Checkpoint, ...]:
    """Return what is at each of ``names``; no weights are loaded, and no file's code runs.

    Args:
        names: a folder (a model, a checkpoint of a trainer, an adapter of peft or of ``adapters``, an adapter that is
            stored here, a stage of a stream that was learned here), a registered backbone, or a hub id.
        backbone: of the stream; its own name stands for its pretrained weights.
        tasks: of the stream.
        where: in the recipe, for messages.
        labels: task → its labels in the order of the logits, of heads that other programs wrote; these hold in the
            place of names that a checkpoint gives itself.

    Raises:
        InputError: nothing is there, or nothing that can be read; an adapter is of another backbone; or a stage of a
            stream that its body and heads alone do not answer for.
        UnsafeConfigError: a file would run code.
        AssetError: it cannot be fetched from the hub.
    """
    checkpoints = (_read(name, backbone, tasks, where, labels or {}) for name in names)
    return tuple(
        replace(checkpoint, name=shown, digest=_digest(checkpoint, backbone))
        for checkpoint, shown in zip(checkpoints, distinct_names(names), strict=True)
    )


def distinct_names(names: Sequence[str]) -> list[str]:
    """Return what to call each: the last part of a path, and as many parts before it as tell it from the others."""
    parts = [[part for part in name.split("/") if part and part not in (STATE, "~", ".", "..")] for name in names]
    shown = [path[-1] if path else name for path, name in zip(parts, names, strict=True)]
    for length in range(2, max(map(len, parts), default=0) + 1):
        unclear = {name for name in shown if shown.count(name) > 1}
        shown = ["/".join(parts[at][-length:]) if name in unclear else name for at, name in enumerate(shown)]
    return [name if shown.count(name) == 1 else f"{name} ({at})" for at, name in enumerate(shown)]


def _read(name: str, backbone: Backbone, tasks: Sequence[Task], where: str, labels: Mapping[str, Labels]) -> Checkpoint:
    is_base = name == backbone.name and not Path(name).is_dir()  # a registered name or a hub id, in however many bits
    if name in BACKBONES.names() or (is_base and backbone.quantization):
        return _model(name, backbone if is_base else open_backbone(name, where), backbone)
    try:
        folder = backbone.folder if is_base else locate(name).folder
    except InputError as error:
        raise InputError(f"{name!r}: {error.what}", where=where, hint=error.hint) from None
    if (folder / STATE / BODY).is_dir():
        folder = folder / STATE
    _require_body_and_heads(name, folder, where)
    if (folder / BODY).is_dir() and (folder / HEADS).is_dir():
        heads = {task.name: task.labels for task in tasks if (folder / HEADS / f"{task.name}.safetensors").is_file()}
        return Checkpoint(name, "state", folder, key(checksummed.digests(folder)), heads)
    if (folder / MANIFEST).is_file():
        return _stored(name, StoredAdapter(read_sent_manifest(folder), folder), backbone, tasks)
    return _sent(name, read_folder(folder), backbone, tasks, labels)


def _require_body_and_heads(name: str, folder: Path, where: str) -> None:
    """Raise InputError where a state is one of a strategy that answers with more than its body and heads."""
    strategy = next((strategy for file, strategy in BESIDE.items() if (folder / file).is_file()), None)
    if strategy and (folder / BODY).is_dir():
        message = f"{name!r} is a stage of {strategy}, which body and heads alone do not answer for"
        hint = "Give a stage of a strategy with one body for all tasks, such as sequential or replay."
        raise InputError(message, where=where, hint=f"{hint} Or let the recipe learn {strategy} as an entry.")


def _sent(
    name: str, sent: SentFolder, backbone: Backbone, tasks: Sequence[Task], labels: Mapping[str, Labels]
) -> Checkpoint:
    """Return what another program wrote."""
    folder = sent.folder
    if not isinstance(sent, SentModel):
        require_its_base(folder, backbone.config)
    answers = {task.name: _head_for(task, sent, backbone, labels.get(task.name)) for task in tasks}
    heads = {task: head for task, head in answers.items() if isinstance(head, tuple)}
    lacking = {task: head for task, head in answers.items() if isinstance(head, str)}
    if isinstance(sent, SentModel):
        own = model_in(folder, str(folder), backbone.pooling)
        model = replace(_model(name, own, backbone), folder=folder)
        if not has_tokenizer(own.folder):  # a head is compared with its own program's, which reads texts
            return replace(model, lacking=dict.fromkeys(labels, "there is no tokenizer beside its head"))
        digest = key([model.digest, file_digests(own)]) if heads else model.digest
        return replace(model, digest=digest, heads=heads, lacking=lacking)
    return Checkpoint(name, "folder", folder, key_of(folder, backbone.fingerprint), heads, lacking)


def _model(name: str, own: Backbone, backbone: Backbone) -> Checkpoint:
    """Return a whole model; one that answers as the stream's ``backbone`` does is that."""
    weights = weights_digest(own)
    if weights == weights_digest(backbone) and reads_alike(own, backbone):
        return Checkpoint(name, "model", own.folder, weights)
    return Checkpoint(name, "model", own.folder, weights, backbone=replace(own, pooling=backbone.pooling))


def _digest(checkpoint: Checkpoint, backbone: Backbone) -> str:
    """Return the digest of a checkpoint together with that of what its weights do not say."""
    facts = read_with(checkpoint.backbone or backbone, checkpoint.reader or backbone)
    return key([checkpoint.digest, facts]) if facts else checkpoint.digest


def _stored(name: str, stored: StoredAdapter, backbone: Backbone, tasks: Sequence[Task]) -> Checkpoint:
    """Return what is stored here; a whole model is pooled under its own head as it was stored."""
    own = backbone_of(stored) if stored.manifest.is_whole else None
    require_backbone(stored, own or backbone)
    learned = stored.manifest.task
    heads = {task.name: learned.labels for task in tasks if _same(learned.kind, learned.labels, task)}
    return Checkpoint(name, "adapter", stored.folder, stored.identity, heads, backbone=own)


def _head_for(task: Task, sent: SentFolder, backbone: Backbone, labels: Labels | None) -> Labels | str | None:
    """Return the labels of the head that came, where those are the task's; why it is not, where they were named."""
    if task.kind in GENERATED or task.kind not in sent.kinds:
        return None if labels is None else f"it brings no head for {task.kind}"
    if labels is None:
        named = named_labels(sent, backbone, task.kind)
        return named if named and _same(task.kind, named, task) else None
    outputs = sent.outputs(backbone, task.kind)
    return labels if outputs == len(labels) else f"its head has {outputs or 'no'} labels, and {len(labels)} are named"


def _same(kind: str, labels: Sequence[str], task: Task) -> bool:
    return kind == task.kind and kind not in GENERATED and {*labels} == {*task.labels}


# What tells a whole model from another one: its weights, its config, and the files that texts are read with.


def weights_digest(model: Backbone) -> str:
    """Return what tells a model's weights from others; of one that generates answers its output layer counts too."""
    generates = is_causal(model.config) or getattr(model.config, "is_encoder_decoder", False)
    return key([model.fingerprint, file_digests(model) if generates else []])


def file_digests(model: Backbone) -> list[str]:
    """Return the digests of a model's weight files, which hold its head as well."""
    return [digest(path) for path in weight_files(model.folder)]


def reads_alike(own: Backbone, base: Backbone) -> bool:
    """Return whether a model computes and reads as ``base`` does: with its config, and no other tokenizer beside it."""
    tokenizers = [tokenizer_digests(model.folder) for model in (own, base)]
    alike = not has_tokenizer(own.folder) or tokenizers[0] == tokenizers[1]
    return alike and config_facts(own.folder) == config_facts(base.folder)


def read_with(model: Backbone, reader: Backbone) -> dict[str, Any]:
    """Return, as plain data, what answers depend on beside a model's weights: its config, and the reader's tokenizer.

    A registered model is left out: its files never change.
    """
    config = {} if model.pinned else {"config": config_facts(model.folder)}
    return config | ({} if reader.pinned else {"tokenizer": tokenizer_digests(reader.folder)})
