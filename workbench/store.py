"""Adapters on disk: written whole or not at all, never changed, verified by digest.

A stored adapter is a folder in its library's own format plus ``head.safetensors``, ``README.md`` and
``manifest.json``; plain ``peft``, ``adapters`` or ``transformers`` open it without this package.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from workbench import assets, sealed
from workbench.adapter_folder import check_adapter
from workbench.errors import InputError, IntegrityError, UnknownNameError, reason
from workbench.fit_record import FitRecord
from workbench.settings import Budget, Quantization, Settings

MANIFEST, README = "manifest.json", "README.md"
AGAIN = "Remove it and train it again, or import a sound copy."
LONGEST_ID = 200  # bytes; a file system takes 255 for a name, and what is written beside it has a longer one
ID = re.compile(r"[^\W_][\w.+@=-]*")
MOST = 5  # of the files that a message names
FRONT_MATTER = re.compile(rb"\A---\n.*?\n---\n", re.DOTALL)
MOST_NAMED = 4  # ids that a message lists
OF_THE_HUB = {".cache", ".git", ".gitattributes"}  # what a folder has that was fetched from there


class TaskReference(Settings):
    """The task that an adapter was trained on."""

    name: str
    kind: str
    labels: tuple[str, ...]
    fingerprint: str
    origin: str
    license: str | None = None
    hub_id: str | None = None
    pair: bool = False
    metric: str | None = None
    max_new_tokens: int | None = None
    scale: tuple[float, float] | None = None


class BackboneReference(Settings):
    """The backbone that an adapter belongs to."""

    name: str
    hub_id: str
    fingerprint: str
    pooling: Literal["mean", "first", "last"]
    quantization: Quantization | None = None
    license: str | None = None


class CompositionReference(Settings):
    """How an adapter was made of others: what a reader needs to judge it, and to make it again.

    ``facts`` are named numbers (``rank``, ``energy_kept``, ``truncation_error``, …), ``details`` one number for each
    source by layer or module; ``head`` says where the head comes from.
    """

    model_config = ConfigDict(allow_inf_nan=True)  # what was measured may be no number

    method: str
    settings: dict[str, Any]
    sources: tuple[str, ...]
    weights: tuple[float, ...] | None
    facts: dict[str, float]
    details: dict[str, tuple[float, ...]]
    head: Literal["fitted on frozen features", "trained along", "the backbone's own"]


class Manifest(Settings):
    """What is known about a stored adapter; ``files`` holds a SHA-256 for every other file of the folder."""

    model_config = ConfigDict(allow_inf_nan=True)  # what was measured may be no number

    id: str
    task: TaskReference
    backbone: BackboneReference
    method: str
    library: str
    settings: dict[str, Any]
    budget: Budget
    precision: Literal["fp32", "bf16"]
    seed: int
    fit: FitRecord
    metrics: dict[str, float]
    versions: dict[str, str]
    created: str
    parents: tuple[str, ...] = ()
    composition: CompositionReference | None = None
    files: dict[str, str] = Field(default_factory=dict)


KIND = TypeAdapter(Manifest)


@dataclass(frozen=True)
class StoredAdapter:
    """A manifest and the folder it stands in."""

    manifest: Manifest
    folder: Path

    @property
    def id(self) -> str:
        """The adapter's id."""
        return self.manifest.id

    @property
    def identity(self) -> str:
        """SHA-256 over all that its answers hang on: the files, the backbone's weights, the arithmetic."""
        return key([self.manifest.files, self.manifest.backbone.fingerprint, self.manifest.precision])

    @property
    def bytes(self) -> int:
        """Size on disk, of all files together."""
        return size(self.folder)


class AdapterStore:
    """The adapters of one workspace, a folder each."""

    def __init__(self, root: Path) -> None:
        """Keep adapters below ``root``; it is made when the first one is saved."""
        self.root = root

    def ids(self) -> list[str]:
        """Return the ids of all stored adapters, sorted."""
        return sorted(path.parent.name for path in self.root.glob(f"[!.]*/{MANIFEST}"))

    def resolve(self, name: str) -> str:
        """Return the one id that ``name`` is, begins, or is the key of; raises as :func:`by_id`."""
        return by_id(name, self.ids())

    def get(self, name: str) -> StoredAdapter:
        """Return an adapter by what :meth:`resolve` takes; raises as that, or IntegrityError."""
        folder = self.root / self.resolve(name)
        return StoredAdapter(read_manifest(folder), folder)

    def save(self, manifest: Manifest, write: Callable[[Path], None]) -> StoredAdapter:
        """Let ``write`` fill a folder, add its digests to ``manifest``, and put it in place in one step.

        An adapter that is there already under this id stays as it is: the id names what it was made from.
        """
        folder = self.root / manifest.id
        if not (folder / MANIFEST).is_file():
            with assets.written_whole(folder) as place:
                write(place)
                _write_manifest(manifest.model_copy(update={"files": sealed.digests(place, MANIFEST)}), place)
        return StoredAdapter(read_manifest(folder), folder)

    def verify(self, name: str) -> StoredAdapter:
        """Return the adapter after :func:`check_files`; raises what that raises."""
        stored = self.get(name)
        check_files(stored)
        return stored

    def export(self, name: str, target: Path, front_matter: str = "") -> Path:
        """Copy a verified adapter to ``target``, which must not exist yet or be empty.

        ``front_matter``: what the Hugging Face hub reads, put before the text of the README. It is left out again when
        the folder is imported, and the digests are those of the files without it.
        """
        stored = self.verify(name)
        with new_folder(target) as place:
            shutil.copytree(stored.folder, place, dirs_exist_ok=True)
            if front_matter:
                card = place / README
                card.write_bytes(front_matter.encode() + card.read_bytes())
        return target

    def import_(self, source: Path, backbone: str) -> StoredAdapter:
        """Copy an exported folder into the store after verifying it; also one that has been on the hub meanwhile.

        Args:
            source: what :meth:`export` wrote.
            backbone: what its backbone is called here; the name in the folder is its sender's, and may be a path.

        Raises:
            InputError: no manifest there, one that cannot be an adapter's, or another adapter has this id.
            IntegrityError: the files are not those of the manifest.
            UnsafeConfigError: a library would be led out of the folder, or to a pickled file.
        """
        manifest = importable(source)
        if manifest.id in self.ids() and self.get(manifest.id).manifest.files != manifest.files:
            raise InputError(f"another adapter is stored as {manifest.id!r}", hint="Remove that one first.")
        known = manifest.backbone.model_copy(update={"name": backbone})
        with assets.written_whole(self.root / manifest.id) as place:
            for file in manifest.files:
                (place / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / file, place / file)
            if README in manifest.files:
                (place / README).write_bytes(_text(place / README))
            _write_manifest(manifest.model_copy(update={"backbone": known}), place)
        return self.get(manifest.id)

    def remove(self, name: str) -> str:
        """Delete an adapter and return its id; a crash half-way leaves no half adapter behind."""
        folder = self.root / self.resolve(name)
        assets.remove_whole(folder)
        return folder.name


def importable(source: Path) -> Manifest:
    """Verify an exported folder and return its manifest; raises as :meth:`AdapterStore.import_`."""
    if not (source / MANIFEST).is_file():
        raise InputError(f"no {MANIFEST} here", where=str(source), hint="Import what `adapters export` wrote.")
    manifest = read_manifest(source)
    if not ID.fullmatch(manifest.id) or len(manifest.id.encode(errors="replace")) > LONGEST_ID:
        hint = f"An id has letters, digits and . _ + - and at most {LONGEST_ID} bytes."
        raise InputError(f"{manifest.id!r} cannot be an adapter's id", where=str(source / MANIFEST), hint=hint)
    if any(path.is_symlink() for path in source.rglob("*")):
        raise InputError("there are links in this folder", where=str(source), hint="Import a plain copy of it.")
    check_files(StoredAdapter(manifest, source), exported=True)
    check_adapter(source)
    return manifest


def by_id(name: str, ids: Sequence[str]) -> str:
    """Return the one of ``ids`` that ``name`` is, begins, or is the key of: what follows an id's last hyphen.

    Raises:
        UnknownNameError: none does.
        InputError: several do.
    """
    if name in ids:
        return name
    matches = [each for each in ids if name and each.startswith(name)]
    matches = matches or [each for each in ids if name == short_id(each, ids)]
    if len(matches) > 1:
        more = f" and {len(matches) - MOST_NAMED} more" if len(matches) > MOST_NAMED else ""
        what = f"{name!r} begins {len(matches)} ids: {', '.join(matches[:MOST_NAMED])}{more}"
        raise InputError(what, hint="Give more of the id, or the name of a task.")
    if not matches:
        raise UnknownNameError("adapter", name, ids)
    return matches[0]


def short_id(name: str, ids: Sequence[str]) -> str:
    """Return the key that an id ends with, ``6b7f4df4`` of ``bbc-news-lora-6b7f4df4``; all of it if another has it."""
    last = name.rpartition("-")[2]
    return name if sum(each.rpartition("-")[2] == last for each in ids) > 1 else last


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes ``target``, whole or not at all.

    Raises:
        InputError: there is something at ``target`` already.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError("this path exists already and is not an empty folder", where=str(target))
    if target.exists():
        target.rmdir()
    with assets.written_whole(target) as place:
        yield place


def check_files(stored: StoredAdapter, exported: bool = False) -> None:
    """Compare every file of an adapter's folder with its digest.

    Of an ``exported`` one the front matter of its README does not count, nor do the files that the hub adds.

    Raises:
        IntegrityError: a file is missing, was added, or has changed; all of them are named.
    """
    found = _exported_digests(stored.folder) if exported else sealed.digests(stored.folder, MANIFEST)
    wanted = stored.manifest.files
    problems = [
        *(f"{file} is missing" for file in sorted(wanted.keys() - found.keys())),
        *(f"{file} was added" for file in sorted(found.keys() - wanted.keys())),
        *(f"{file} has changed" for file in sorted(found.keys() & wanted.keys()) if found[file] != wanted[file]),
    ]
    if problems:
        raise IntegrityError(
            f"adapter {stored.id}: {'; '.join(problems[:MOST])}{_more(problems)}",
            where=str(stored.folder),
            hint=AGAIN,
        )


def size(folder: Path) -> int:
    """Return the bytes of all files below ``folder``."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def key(content: Any) -> str:
    """Return the SHA-256 of a JSON document with sorted keys: equal content, equal key."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _exported_digests(folder: Path) -> dict[str, str]:
    """Return the digests of an exported folder's files as they were when it was stored."""
    digests = sealed.digests(folder, MANIFEST)
    own = {name: digest for name, digest in digests.items() if name.partition("/")[0] not in OF_THE_HUB}
    if README in own:
        own[README] = hashlib.sha256(_text(folder / README)).hexdigest()
    return own


def _text(card: Path) -> bytes:
    """Return what stands below a card's front matter: the README as it was stored."""
    return FRONT_MATTER.sub(b"", card.read_bytes(), count=1)


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest in an adapter's folder; raises IntegrityError where it cannot be read or has changed."""
    path = folder / MANIFEST
    try:
        return sealed.require(KIND, path)
    except (IntegrityError, PermissionError) as error:
        why = error.what if isinstance(error, IntegrityError) else reason(error)
        raise IntegrityError(f"no readable manifest: {why}", where=str(path), hint=AGAIN) from None


def _write_manifest(manifest: Manifest, folder: Path) -> None:
    path = folder / MANIFEST
    try:
        KIND.validate_json(manifest.model_dump_json())  # where NaN, which JSON does not have, is null
    except ValidationError as error:
        raise IntegrityError(f"no readable manifest: {reason(error)}", where=str(path)) from None
    path.write_text(sealed.text_of(KIND, manifest), encoding="utf-8")


def _more(problems: list[str]) -> str:
    return f"; and {len(problems) - MOST} more" if len(problems) > MOST else ""
