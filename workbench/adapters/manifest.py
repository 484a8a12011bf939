"""What is known about a stored adapter: the document that lies in its folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, FieldSerializationInfo, TypeAdapter, ValidationError, field_serializer

from adapter_workbench.workbench.adapters.fit_record import FitRecord
from adapter_workbench.workbench.adapters.sent_form import AGAIN as SENT_AGAIN
from adapter_workbench.workbench.adapters.sent_form import SentForm
from adapter_workbench.workbench.backbone.config import LARGEST
from adapter_workbench.workbench.backbone.model_folder import ITSELF
from adapter_workbench.workbench.errors import InputError, IntegrityError, reason
from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.files.atomic import flush, folder_beside, move_whole
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.settings.base import Budget, Quantization, Settings

MANIFEST = "manifest.json"
AGAIN = "Remove it and train it again, or import a sound copy."


class TaskReference(Settings):
    """The task that an adapter was trained on; ``fingerprint`` is None where its data are unknown.

    ``shuffled``: its answers were shuffled among its texts; ``joint``: its rows are those of several tasks. Adapters of
    such tasks are made for a comparison alone.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    fingerprint: str | None
    origin: str
    license: str | None = None
    hub_id: str | None = None
    pair: bool = False
    metric: str | None = None
    max_new_tokens: int | None = None
    scale: tuple[float, float] | None = None
    shuffled: bool = Field(False, exclude_if=lambda shuffled: not shuffled)
    joint: bool = Field(False, exclude_if=lambda joint: not joint)

    @property
    def for_comparison(self) -> bool:
        """Whether an adapter of the task is made for a comparison alone, so that nobody means it by chance."""
        return self.shuffled or self.joint


class BackboneReference(Settings):
    """The backbone that an adapter belongs to; the name of one that lies in the adapter's own folder is ``ITSELF``.

    ``reading`` is the digest of its config and tokenizer when the adapter was made; empty for registered backbones.
    """

    name: str
    hub_id: str
    fingerprint: str
    pooling: Literal["mean", "first", "last"]
    quantization: Quantization | None = None
    license: str | None = None
    reading: str = Field("", exclude_if=lambda reading: not reading)


class HeadReference(Settings):
    """A head that is more than one linear layer on what the backbone's own pooling gives.

    ``pooling`` is what the head reads of the token states. ``layers`` are named in order: ``linear``, ``norm``, or an
    activation of :data:`ACTIVATIONS`; ``eps`` is that of the norms. ``virtual``: the
    virtual tokens of a prompt are pooled like those of the text that they stand before.
    """

    pooling: Literal["mean", "first", "last"]
    layers: tuple[str, ...]
    eps: float = 1e-5
    virtual: bool = Field(False, exclude_if=lambda virtual: not virtual)


class FittedHead(Settings):
    """A linear head that was fitted here on frozen features, because the folder has none.

    ``task``, ``fingerprint``, ``origin`` and ``examples`` are what it was fitted on: so many training examples of these
    data.
    ``inverse_regularisation`` is the C of a logistic regression that validation picked, and ``validation`` the score
    that it was picked by.
    """

    task: str
    fingerprint: str
    origin: str
    examples: int
    inverse_regularisation: float
    validation: float


class LinkedFiles(Settings):
    """The files of a whole model that are not copied: the folder that they lie in, and the SHA-256 of each by name."""

    folder: str
    files: dict[str, str]


class Elsewhere(Settings):
    """How an adapter came in that another program trained; what it was trained on is unknown.

    ``program`` wrote the folder: ``peft``, ``adapters``, ``transformers`` or ``sentence-transformers``. ``base`` is how
    its sender calls the base model, None where the folder does not say; ``labels`` are in the order of the sender's
    logits. ``original`` is what is needed to write a whole model again in the form that it came in; of an adapter its
    files are kept. ``head`` is None where the head came with the folder too, or is the backbone's own.
    """

    program: str
    base: str | None = None
    labels: tuple[str, ...] = ()
    original: dict[str, Any] = Field(default_factory=dict)
    head: FittedHead | None = Field(None, exclude_if=lambda head: head is None)


class CompositionReference(Settings):
    """How an adapter was made of others: what a reader needs to judge it, and to make it again.

    ``facts`` are named numbers (``rank``, ``energy_kept``, ``truncation_error``, …), ``details`` one number for each
    source by layer or module; ``head`` says where the head comes from; ``revision`` grows when the method of that name
    comes to mean something else.
    """

    model_config = ConfigDict(allow_inf_nan=True)  # what was measured may be no number

    method: str
    revision: int = 1
    settings: dict[str, Any]
    sources: tuple[str, ...]
    weights: tuple[float, ...] | None
    facts: dict[str, float]
    details: dict[str, tuple[float, ...]]
    head: Literal["fitted on frozen features", "trained along", "the backbone's own"]


class ChoiceReference(Settings):
    """Why a fuse kept this adapter, of all that it tried on the same examples.

    ``label`` is what the report calls it, and ``by`` what chose it: validation, or a person. ``validation`` has the
    validation score of each that could be kept, the best first. ``ranking`` is by what ``auto:K`` chose the sources,
    None where they were named; ``ranked`` has the ranking's score of each candidate, the best first, and None for one
    that has none.
    """

    model_config = ConfigDict(allow_inf_nan=True)  # what was measured may be no number

    label: str
    by: Literal["validation", "a person"]
    validation: dict[str, float] = Field(default_factory=dict)
    ranking: str | None = None
    ranked: dict[str, float | None] = Field(default_factory=dict)


class UpdateReference(Settings):
    """How an adapter was made from the champion of an earlier version of its task.

    ``way`` has ``settings``; ``champion`` is the id of that adapter; ``new_rows`` is how many training rows are new,
    changed or relabelled since.
    """

    way: str
    settings: dict[str, Any]
    champion: str
    new_rows: int


class AcceptedLoss(Settings):
    """That a person let an adapter take the place of ``champion``, an id, although it loses: what it loses, and when.

    ``loss`` says it in words, with the figures; ``when`` is the time, UTC, in ISO format.
    """

    champion: str
    loss: str
    when: str


class Manifest(Settings):
    """What is known about a stored adapter; ``files`` holds a SHA-256 for every other file of the folder.

    ``code``: by name the entries of installed distributions that it was made with, each with its distribution, version
    and digest.
    ``imported`` is when an adapter came from elsewhere, None where it was made in this workspace: the scores of an
    imported one are its sender's.
    ``config`` is its library's configuration, of an adapter that another program trained or what was made of it; None
    where the settings say all of it. ``head`` is None for one linear layer on the backbone's pooling.
    ``elsewhere`` is None for what the workbench made, here or in another workspace. What another program trained has
    neither seed nor fit nor date, the task has no fingerprint, and of the budget only ``max_length`` is known:
    nothing else is written.
    ``choice`` is None where it is not what a fuse kept.
    ``update`` is None where it was not made from the champion of an earlier version of its task.
    ``made_by`` is what made it in this workspace: a command that a person gave, or ``run NAME``, the experiment that
    left it; None where an earlier version did. Who asked for it since is known beside it, in the workspace.
    ``linked`` is None where all files are in the adapter's own folder.
    ``accepted`` is written after the adapter was stored, the only part that is: it determines no answer.
    ``sent`` is None where the files are as they are stored: an exported folder may have them in another form.
    """

    model_config = ConfigDict(allow_inf_nan=True)  # what was measured may be no number

    id: str
    task: TaskReference
    backbone: BackboneReference
    method: str
    library: str
    settings: dict[str, Any]
    budget: Budget
    precision: Literal["fp32", "bf16"]
    seed: int | None
    fit: FitRecord | None
    metrics: dict[str, float]
    versions: dict[str, str]
    code: dict[str, str] = Field(default_factory=dict, exclude_if=lambda code: not code)
    created: str | None
    parents: tuple[str, ...] = ()
    composition: CompositionReference | None = None
    choice: ChoiceReference | None = Field(None, exclude_if=lambda choice: choice is None)
    update: UpdateReference | None = Field(None, exclude_if=lambda update: update is None)
    imported: str | None = Field(None, exclude_if=lambda when: when is None)
    made_by: str | None = Field(None, exclude_if=lambda maker: maker is None)
    config: dict[str, Any] | None = Field(None, exclude_if=lambda config: config is None)
    head: HeadReference | None = Field(None, exclude_if=lambda head: head is None)
    elsewhere: Elsewhere | None = Field(None, exclude_if=lambda elsewhere: elsewhere is None)
    linked: LinkedFiles | None = Field(None, exclude_if=lambda linked: linked is None)
    accepted: tuple[AcceptedLoss, ...] = Field((), exclude_if=lambda accepted: not accepted)
    sent: SentForm | None = Field(None, exclude_if=lambda sent: sent is None)
    files: dict[str, str] = Field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether this is a whole model: its own backbone, with all weights in its folder."""
        return self.backbone.name == ITSELF

    @property
    def base_name(self) -> str:
        """What its backbone is called where those of several adapters are named: that of a whole model by its id."""
        return self.id if self.is_whole else self.backbone.name

    @property
    def all_files(self) -> dict[str, str]:
        """The SHA-256 of each file, of those that are linked too."""
        return {**self.files, **(self.linked.files if self.linked else {})}

    def unlinked(self) -> Manifest:
        """Return the manifest of the same adapter with all files in its own folder."""
        return self.model_copy(update={"linked": None, "files": self.all_files})

    def as_stored(self) -> Manifest:
        """Return the manifest of an exported folder as it is when its files are in the stored form again."""
        return self.model_copy(update={"sent": None, "files": self.sent.files}) if self.sent else self

    @property
    def identity(self) -> str:
        """SHA-256 over all that determines its answers: files, the backbone, arithmetic, code of others."""
        code = [self.code] if self.code else []  # what our own code makes of the files stays the same
        head = [self.head.model_dump(mode="json")] if self.head else []
        read = [self.backbone.reading] if self.backbone.reading else []
        return key([self.all_files, self.backbone.fingerprint, self.precision, *code, *head, *read])

    @property
    def own_fit(self) -> FitRecord:
        """How its fit went, of an adapter that the workbench made; raises ValueError where another program trained."""
        if self.fit is None:
            raise ValueError(f"{self.id} was trained elsewhere; its training is not known")
        return self.fit

    @property
    def seed_here(self) -> int:
        """The seed of random choices that are made about it: its own; 0 where that is not known."""
        return 0 if self.seed is None else self.seed

    @property
    def since(self) -> str:
        """When it was made here, or imported: a sender could state any time."""
        return self.imported or self.created or ""

    @field_serializer("budget")
    def _known_budget(self, budget: Budget, info: FieldSerializationInfo) -> dict[str, Any]:
        return budget.model_dump(mode=info.mode, exclude_unset=self.elsewhere is not None)


DOCUMENT = TypeAdapter(Manifest)


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest in an adapter's folder; raises IntegrityError where it cannot be read or has changed."""
    path = folder / MANIFEST
    try:
        if path.is_file() and path.stat().st_size > LARGEST:
            raise IntegrityError(f"more than {LARGEST >> 20} MiB", where=str(path))
        return checksummed.require(DOCUMENT, path)
    except (IntegrityError, PermissionError) as error:
        why = error.what if isinstance(error, IntegrityError) else reason(error)
        raise IntegrityError(f"no readable manifest: {why}", where=str(path), hint=AGAIN) from None


def read_sent_manifest(folder: Path) -> Manifest:
    """Return the manifest in a folder that somebody sent; raises InputError where it cannot be read or has changed."""
    with blaming_sender():
        return read_manifest(folder)


@contextmanager
def blaming_sender() -> Iterator[None]:
    """Turn damage of a folder into the error of what was given: who has it did not make it, and cannot train it again.

    Raises:
        InputError: something in the block raised IntegrityError.
    """
    try:
        yield
    except IntegrityError as error:
        raise InputError(error.what, where=error.where, hint=SENT_AGAIN) from None


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write the manifest into an adapter's folder; raises IntegrityError where it could not be read again."""
    path = folder / MANIFEST
    path.write_text(_text_of(manifest, path), encoding="utf-8")


def replace_manifest(manifest: Manifest, folder: Path) -> None:
    """Put another manifest in the place of the one in a stored adapter's folder, in one step.

    The draft lies beside the folder: a file more in it would be taken for damage, also after a kill.

    Raises:
        IntegrityError: it could not be read again.
        UnwritableError: the folder cannot be written.
    """
    path = folder / MANIFEST
    text = _text_of(manifest, path)
    with folder_beside(folder) as beside:
        draft = beside / MANIFEST
        draft.write_text(text, encoding="utf-8")
        flush(draft)
        move_whole(draft, path)


def _text_of(manifest: Manifest, path: Path) -> str:
    try:
        DOCUMENT.validate_json(manifest.model_dump_json())  # where NaN, which JSON does not have, is null
    except ValidationError as error:
        raise IntegrityError(f"no readable manifest: {reason(error)}", where=str(path)) from None
    return checksummed.text_of(DOCUMENT, manifest)
