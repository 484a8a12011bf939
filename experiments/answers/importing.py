"""Import of what another program trained: what its folder does not say comes from options, or is derived."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.answers.exported_folders import import_exported
from adapter_workbench.experiments.answers.head_fitting import head_fit
from adapter_workbench.experiments.answers.import_options import AUTO
from adapter_workbench.experiments.answers.label_order import label_order, refuse_others
from adapter_workbench.experiments.answers.renamed_labels import renamed_since, version_with
from adapter_workbench.experiments.answers.task_reference import draft_reference, reference_to
from adapter_workbench.workbench.adapters.manifest import MANIFEST
from adapter_workbench.workbench.answering.elsewhere.form import OtherHead
from adapter_workbench.workbench.answering.elsewhere.forms import read_folder
from adapter_workbench.workbench.answering.elsewhere.location import locate
from adapter_workbench.workbench.answering.elsewhere.whole_model import SentModel
from adapter_workbench.workbench.backbone.model_folder import ITSELF
from adapter_workbench.workbench.errors import InputError, WorkbenchError, reason, says_full
from adapter_workbench.workbench.files.size_limit import says_too_large

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter_workbench.experiments.answers.found_order import FoundOrder
    from adapter_workbench.experiments.answers.import_options import Source
    from adapter_workbench.experiments.answers.known_here import KnownHere
    from adapter_workbench.experiments.answers.renamed_labels import Renamed
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.answering.elsewhere.form import SentFolder
    from adapter_workbench.workbench.answering.elsewhere.headless import Fit
    from adapter_workbench.workbench.answering.elsewhere.location import Location
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.task import Task

NUMBER = "regression"
UNREAD_HEAD = "SetFit's head (model_head.pkl) was not read: it is a pickle, and opening one runs code."
NO_HEAD = "there is no head in this folder"


@dataclass(frozen=True)
class Derived:
    """What neither a person nor the folder said, and was told from data."""

    # the folder in which its sender's base model lies, where that was recognised by its weights
    base: str | None = None
    backbone: str | None = None  # what that base model is called here
    order: FoundOrder | None = None  # the order of labels that scores highest, where it was to be found
    renamed: Renamed | None = None  # the labels of an earlier version that its labels were named after

    @property
    def lines(self) -> list[str]:
        """One line for each, for people."""
        return [
            *([f"Its base model is {self.backbone}: {self.base} has the same weights."] if self.base else []),
            *([f"The order of its labels was found: {self.order}."] if self.order else []),
            *([str(self.renamed)] if self.renamed else []),
        ]

    def as_json(self) -> dict[str, Any]:
        """Return the part of `adapters import --json` about it."""
        renamed = self.renamed
        return {
            "base_recognised": self.base,
            "labels_found": self.order.as_json() if self.order else None,
            "labels_renamed": {"version": renamed.number, "names": dict(renamed.names)} if renamed else None,
        }


@dataclass(frozen=True)
class ImportResult:
    """The result of importing one source."""

    source: Source  # which it is
    stored: StoredAdapter | None = None  # the adapter; None where it was refused
    was_here: bool = False  # whether it had come in before, and nothing was stored
    error: WorkbenchError | None = None  # why it was refused
    derived: Derived = field(default_factory=Derived)  # what was told from data


def import_each(here: KnownHere, sources: Sequence[Source]) -> Iterator[ImportResult]:
    """Import one source after another, and yield the result of each; a refusal does not stop the others."""
    for source in sources:
        try:
            yield import_source(here, source)
        except WorkbenchError as error:
            yield ImportResult(source, error=error)
        except OSError as error:
            if says_full(error) or says_too_large(error):  # so it will be for the others
                raise
            refusal = InputError(f"this cannot be read: {reason(error)}", where=source.name)
            yield ImportResult(source, error=refusal)


def import_source(here: KnownHere, source: Source) -> ImportResult:
    """Return what was exported here or written by another program as an adapter of the workspace.

    Raises:
        InputError: the form is not known, an option is missing or does not fit, or what was exported has changed since.
        AssetError: it cannot be fetched from the hub.
        UnsafeConfigError: it would run code.
    """
    location = locate(source.name)
    if (location.folder / MANIFEST).is_file():
        ids = here.adapters.ids()
        stored = import_exported(here, location.folder, source)
        result = ImportResult(source, stored, stored.id in ids)
    else:
        take_in = _take_in_on_written_base if source.options.backbone_to else _take_in
        result = take_in(here, location, source)
    if result.stored and not result.was_here:
        here.manifests.append(result.stored.manifest)
    return result


def _take_in_on_written_base(here: KnownHere, location: Location, source: Source) -> ImportResult:
    """Import an adapter on its base model with the words that it brings, which is written; raises as both."""
    from adapter_workbench.experiments.answers.written_base import adapter_on_written_base

    sent, options = read_folder(location.folder), source.options
    backbone, _ = _backbone(sent, source, here)
    kind = here.find(options.task).file.kind if options.task else _kind(sent, backbone, source)
    with adapter_on_written_base(sent, backbone, kind, source, here) as (folder, target):
        named = replace(source, options=replace(options, backbone=target, backbone_to=None))
        return _take_in(here, replace(location, folder=folder), named)


def _take_in(here: KnownHere, location: Location, source: Source) -> ImportResult:
    sent, options = read_folder(location.folder), source.options
    if options.task:  # before its data are read
        _require_kind(sent, here.find(options.task).file.kind, source)
    if options.link:
        sent = _with_links(sent, source)
    backbone, recognised = _backbone(sent, source, here)
    task = here.task(options.task) if options.task else None
    kind = task.kind if task else _kind(sent, backbone, source)
    orders = renamed = fit = None
    if task is not None and not sent.kinds:
        order, fit = task.labels, _head_fit(sent, task, backbone, source, here)
    elif task is not None and options.labels == AUTO:
        orders = _found_order(sent, backbone, task, source)
        order = orders.order
    else:
        order = label_order(sent, backbone, source, kind, task)
    if task is not None and fit is None:
        order, task, renamed = _in_newest_labels(order, task, source, here)
    reference = reference_to(task) if task else draft_reference(kind, order, location.called, source, here)
    from adapter_workbench.workbench.answering.elsewhere.taking_in import (  # mistakes are said without torch
        ImportDetails,
        take_in,
    )

    examples = task.fingerprint if task and fit else ""
    details = ImportDetails(backbone, reference, order, _longest(sent, source), options.name, fit, examples)
    stored, was_here = take_in(sent, details, here.adapters)
    if options.link and not stored.manifest.linked:
        hint = f"To link it, remove the copy first: workbench adapters remove {stored.id}"
        raise InputError(f"this model came in before, and was copied: {stored.id}", where=source.at("link"), hint=hint)
    derived = Derived(order=orders, renamed=renamed)
    if recognised:
        derived = replace(derived, base=sent.base, backbone=backbone.name)
    return ImportResult(source, stored, was_here, derived=derived)


def _head_fit(sent: SentFolder, task: Task, backbone: Backbone, source: Source, here: KnownHere) -> Fit | None:
    """Return what fits a head, after saying that one is there which was not read; raises as :func:`head_fit`."""
    if unread := _unread_head(sent):
        here.listener.say(f"{UNREAD_HEAD} Another one is fitted in its place. {unread}")
    return head_fit(task, backbone, here.listener, source.at("task"))


def _longest(sent: SentFolder, source: Source) -> int | None:
    """Return after how many tokens texts are cut; None: as many as the model reads."""
    return source.options.max_length or (sent.longest if isinstance(sent, SentModel) else None)


def _found_order(sent: SentFolder, backbone: Backbone, task: Task, source: Source) -> FoundOrder:
    """Return the order of labels that scores highest on validation rows of the task; raises as :func:`found_order`."""
    from adapter_workbench.experiments.answers.found_order import found_order
    from adapter_workbench.workbench.answering.elsewhere.taking_in import ImportDetails

    details = ImportDetails(backbone, reference_to(task), task.labels, source.options.max_length)
    return found_order(sent, details, task, source)


def _in_newest_labels(
    order: tuple[str, ...], task: Task, source: Source, here: KnownHere
) -> tuple[tuple[str, ...], Task, Renamed | None]:
    """Return the labels as the newest version of the task calls them, that version, and what was renamed.

    Labels of an earlier version, of ``--task TASK@N`` or of any, are followed if they were only renamed since. Where
    more has changed, an adapter stays one of the version that was named.

    Raises:
        InputError: the labels are not those of the task.
    """
    named = source.options.task or task.name
    fits = set(order) == set(task.labels)
    if not task.labels or (fits and "@" not in named):
        return order, task, None
    renamed = renamed_since(order, named, here.task_folders)
    if renamed is None:
        if fits:
            return order, task, None
        refuse_others(order, task, source, version_with(order, named, here.task_folders))
    newest = here.task(renamed.task)
    changed = any(before != after for before, after in renamed.names.items())
    return tuple(renamed.names[label] for label in order), newest, renamed if changed else None


def _backbone(sent: SentFolder, source: Source, here: KnownHere) -> tuple[Backbone, bool]:
    """Return the base model, and whether it was recognised by the weights in the folder that its sender names.

    It is the one that a person names, or one that is known here under its sender's name or by its weights. A whole
    model whose base is not known by its name is its own, and so is one that is linked.
    """
    named = source.options.backbone
    whole = sent if isinstance(sent, SentModel) else None
    if whole and (whole.link or named == ITSELF):
        return whole.itself, False
    if named:
        return here.backbone(named, source.at("backbone")), False
    if name := here.named_on_hub(sent.base):
        return here.backbone(name), False
    if whole:
        return whole.itself, False
    if name := here.named_by_content(sent.base):
        return here.backbone(name), True
    called = f"Its sender calls it {sent.base!r}. " if sent.base else ""
    hint = f"{called}Name it: --backbone NAME (a name, hub id or folder)."
    raise InputError("the base model is not known here", where=source.name, hint=hint)


def _with_links(sent: SentFolder, source: Source) -> SentFolder:
    """Return a whole model whose files stay where they are; raises InputError where it is none, or has another base."""
    if not isinstance(sent, SentModel):
        message = f"this is an adapter ({sent.program}), and only whole models can be linked"
        raise InputError(message, where=source.at("link"), hint="Leave it out: the adapter is copied.")
    if source.options.backbone not in (None, ITSELF):
        hint = "Leave out one of the two: on another backbone the weights are written anew."
        raise InputError("a linked model is its own backbone", where=source.at("backbone"), hint=hint)
    return replace(sent, link=True)


def _kind(sent: SentFolder, backbone: Backbone, source: Source) -> str:
    """Return the kind of task that it answers, by its files alone; raises InputError where it has no head.

    As for transformers, a head on texts that has one output gives a number, where the files state nothing else.
    """
    if not sent.kinds:
        hint = (
            "Without a head it answers nothing by itself. Name a task, and a linear head is fitted here on the frozen "
            f"features of its training examples: workbench adapters import {shlex.quote(source.name)} --task NAME."
        )
        if isinstance(sent, SentModel):
            hint += f" Or use it as a backbone: workbench train TASK --backbone {shlex.quote(source.name)}"
        if unread := _unread_head(sent):
            raise InputError(UNREAD_HEAD.rstrip("."), where=source.name, hint=f"{unread}\n{hint}")
        other = sent.other_head if isinstance(sent, OtherHead) else None
        message = f"the head in this folder is for {other}, which is not a kind of task here" if other else NO_HEAD
        raise InputError(message, where=source.name, hint=hint)
    is_open = len(sent.kinds) > 1 and NUMBER in sent.kinds
    return NUMBER if is_open and sent.outputs(backbone, NUMBER) == 1 else sent.kinds[0]


def _unread_head(sent: SentFolder) -> str | None:
    """Return how to make a head readable that lies in a folder as a pickle; None where there is none."""
    return sent.unread_head if isinstance(sent, SentModel) else None


def _require_kind(sent: SentFolder, kind: str, source: Source) -> None:
    if sent.kinds and kind not in sent.kinds:
        message = f"this adapter answers {' or '.join(sent.kinds)}, and {source.options.task} is {kind}"
        raise InputError(message, where=source.at("task"))
