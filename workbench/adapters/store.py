"""Adapters on disk: written whole or not at all, their files never changed, verified by digest.

A stored adapter is a folder in its library's own format plus ``head.safetensors``, ``README.md`` and
``manifest.json``; plain ``peft``, ``adapters`` or ``transformers`` open it without this package.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from adapter_workbench.workbench.adapters.adapter_folder import check_adapter
from adapter_workbench.workbench.adapters.ids import ID, by_id, certain_id, require_id
from adapter_workbench.workbench.adapters.manifest import (
    MANIFEST,
    AcceptedLoss,
    Manifest,
    blaming_sender,
    read_manifest,
    read_sent_manifest,
    replace_manifest,
    write_manifest,
)
from adapter_workbench.workbench.adapters.sent_form import SentForm, write_stored
from adapter_workbench.workbench.adapters.stored_adapter import README, StoredAdapter, check_files, text_below
from adapter_workbench.workbench.backbone.finite_weights import require_finite
from adapter_workbench.workbench.errors import InputError, IntegrityError, UnknownNameError
from adapter_workbench.workbench.files import atomic, checksummed
from adapter_workbench.workbench.files.atomic import new_folder, remove_whole, written_whole
from adapter_workbench.workbench.files.ordinary import foreign_links
from adapter_workbench.workbench.files.read_once import ReadOnce
from adapter_workbench.workbench.machine.processes import first_ahead


class AdapterStore:
    """The adapters of one workspace, a folder each."""

    def __init__(
        self,
        root: Path,
        fetch: Callable[[Path], None] = lambda folder: None,
        made_by: str | None = None,
        manifests: ReadOnce | None = None,
        sweep: Callable[[], object] | None = None,
    ) -> None:
        """Keep adapters below ``root``; it is made when the first one is saved.

        Args:
            root: the folder.
            fetch: is called with the folder of an adapter before that is read: where it lies elsewhere, it is fetched.
            made_by: what makes the adapters that are saved, for their manifests.
            manifests: those that were read already; by default none.
            sweep: deletes what killed processes left half-written; by default below ``root`` alone.
        """
        self.root, self._fetch, self._made_by = root, fetch, made_by
        self._sound: dict[str, tuple[checksummed.Stamp | None, StoredAdapter]] = {}
        self._manifests = manifests or ReadOnce()
        self._sweep, self._swept = sweep or (lambda: atomic.sweep(root)), False

    def folder(self, name: str) -> Path:
        """Return where the adapter with this id is, or would be."""
        self._fetch(self.root / name)
        return self.root / name

    def ids(self) -> list[str]:
        """Return the ids of all stored adapters, sorted."""
        names = sorted(path.parent.name for path in self.root.glob(f"[!.]*/{MANIFEST}"))
        self._forget_all_but(names)
        return names

    def __contains__(self, name: str) -> bool:
        """Return whether an adapter has this id; the other adapters are not listed for it."""
        return ID.fullmatch(name) is not None and (self.folder(name) / MANIFEST).is_file()

    def resolve(self, name: str) -> str:
        """Return the one id that ``name`` is, begins, or is the key of; raises as :func:`by_id`."""
        return name if name in self else by_id(name, self.ids())

    def get(self, name: str) -> StoredAdapter:
        """Return an adapter by what :meth:`resolve` takes; raises as that, or IntegrityError.

        Its manifest is read once for as long as the file stays: a server that looks again reads what is new.
        """
        name = self.resolve(name)
        folder = self.root / name
        stamp = checksummed.stamp_of(folder, [MANIFEST])
        return StoredAdapter(self._manifests.value(folder, stamp, lambda: read_manifest(folder)), folder)

    def sweep(self) -> None:
        """Delete what killed processes left half-written, at the first call; what a living process writes stays.

        Whatever writes into the store begins with this: what a killed import leaves may be a whole model.
        """
        if not self._swept:
            self._swept = True
            self._sweep()

    def save(self, manifest: Manifest, write: Callable[[Path], None]) -> StoredAdapter:
        """Let ``write`` fill a folder, add its digests to ``manifest``, and put it in place in one step.

        An adapter that is there already under this id stays as it is: the id names what it was made from.

        Raises:
            InputError: the id cannot be one, so that its folder would lie somewhere else.
        """
        require_id(manifest.id)
        folder = self.root / manifest.id
        with first_ahead():
            if not (folder / MANIFEST).is_file():
                self.sweep()
                with written_whole(folder) as draft:
                    write(draft)
                    known = {"files": checksummed.digests(draft, MANIFEST), "made_by": self._made_by}
                    write_manifest(manifest.model_copy(update=known), draft)
        return StoredAdapter(read_manifest(folder), folder)

    def accept(self, name: str, loss: AcceptedLoss) -> StoredAdapter:
        """Write into an adapter's manifest that a person accepted a loss, and return it; the same loss stands once.

        Raises:
            UnwritableError: its folder cannot be written.
        """
        stored = self.get(name)
        known = [(accepted.champion, accepted.loss) for accepted in stored.manifest.accepted]
        if (loss.champion, loss.loss) not in known:
            self.sweep()
            accepted = (*stored.manifest.accepted, loss)
            replace_manifest(stored.manifest.model_copy(update={"accepted": accepted}), stored.folder)
        return self.get(name)

    def verify(self, name: str) -> StoredAdapter:
        """Return the adapter after its files were checked, once for as long as they stay.

        Raises:
            IntegrityError: as :func:`check_files`, or weights that are no numbers.
        """
        name = self.resolve(name)
        own = checksummed.stamp(self.root / name)
        then, stored = self._sound.get(name, (None, None))
        if stored is None or then is None or then != _with_linked(own, stored):
            stored = self.get(name)
            now = _with_linked(own, stored)
            check_files(stored)
            _require_finite(stored)
            self._sound[name] = now, stored
        return stored

    def damage(self, name: str) -> IntegrityError | None:
        """Return what is wrong with the files of an adapter; None where they are as they were written.

        None too where there is no such adapter: another process may have removed it since it was listed.
        """
        try:
            name = self.resolve(name)
            self.verify(name)
        except (UnknownNameError, FileNotFoundError):
            return None
        except IntegrityError as error:
            return error if (self.root / name).exists() else None
        return None

    def export(
        self, name: str, target: Path, front_matter: str = "", rewrite: Callable[[Path], SentForm] | None = None
    ) -> Path:
        """Copy a verified adapter to ``target``, which must not exist yet or be empty. A linked model is copied too.

        Args:
            name: the adapter's id, or another name.
            target: where to.
            front_matter: what the Hugging Face hub reads, put before the text of the README. It is left out again when
                the folder is imported, and the digests are those of the files without it.
            rewrite: gives the files of the copy the form that other programs expect, and returns how the stored ones
                are made of them; without it they are as they are stored.
        """
        stored = self.verify(name)
        with new_folder(target) as folder:
            _copy({file: stored.path(file) for file in stored.manifest.all_files}, folder)
            if rewrite:
                sent, files = rewrite(folder), checksummed.digests(folder, MANIFEST)
                write_manifest(stored.manifest.unlinked().model_copy(update={"files": files, "sent": sent}), folder)
            elif stored.manifest.linked:
                write_manifest(stored.manifest.unlinked(), folder)
            else:
                _copy({MANIFEST: stored.folder / MANIFEST}, folder)
            if front_matter:
                card = folder / README
                card.write_bytes(front_matter.encode() + card.read_bytes())
        return target

    def import_(self, source: Path, backbone: str) -> StoredAdapter:
        """Copy an exported folder into the store after verifying it; also one that has been on the hub meanwhile.

        The adapter that is there already stays as it is; where it is damaged, the copy takes its place. What was made
        in this workspace stays its own; anything else is from elsewhere from then on, whatever its manifest says.

        Args:
            source: what :meth:`export` wrote.
            backbone: what its backbone is called here; the name in the folder is its sender's, and may be a path.

        Raises:
            InputError: no manifest there, a damaged one, or one that cannot be an adapter's; the files are not those of
                the manifest; or another adapter has this id.
            UnsafeConfigError: a library would be led out of the folder, or to a pickled file.
        """
        sent = importable(source)
        manifest = sent.as_stored()
        if self._has_another(manifest):
            raise InputError(f"another adapter is stored as {manifest.id!r}", hint="Remove that one first.")
        self.sweep()
        reference, folder = manifest.backbone.model_copy(update={"name": backbone}), self.root / manifest.id
        kept = self._as_kept_here(manifest).model_copy(update={"backbone": reference})
        with written_whole(folder) as draft:
            _copy({file: source / file for file in sent.files}, draft)
            if sent.sent:
                _put_back(source, sent.sent, manifest, draft)
            elif README in manifest.files:
                (draft / README).write_bytes(text_below(draft / README))
            write_manifest(kept, draft)
            if folder.exists() and (manifest.id not in self or self.damage(manifest.id)):
                remove_whole(folder)  # last of all: ``source`` may be this folder
        return self.get(manifest.id)

    def remove(self, name: str) -> str:
        """Delete an adapter and return its id; a crash half-way leaves no half adapter behind.

        Raises as :func:`certain_id`: a beginning of an id that is no more than the name of a task is refused.
        """
        folder = self.root / (name if name in self else certain_id(name, self.ids()))
        self.sweep()
        remove_whole(folder)
        return folder.name

    def _forget_all_but(self, names: Collection[str]) -> None:
        """Let go of what was read of adapters that are no longer there: a server looks here for months."""
        self._manifests.forget_all_but([self.root / name for name in names])
        for name in self._sound.keys() - {*names}:
            self._sound.pop(name, None)

    def _as_kept_here(self, manifest: Manifest) -> Manifest:
        """Return the manifest of the adapter that is there already with the same files; else one from elsewhere."""
        with suppress(IntegrityError, UnknownNameError):
            known = self.get(manifest.id).manifest if manifest.id in self else None
            if known is not None and known.all_files == manifest.files:
                return known.unlinked()
        when = datetime.now(UTC).isoformat(timespec="seconds")
        return manifest.model_copy(update={"imported": when, "made_by": self._made_by})

    def _has_another(self, manifest: Manifest) -> bool:
        """Return whether the id of ``manifest`` is that of an adapter with other files, as far as that can be read."""
        try:
            return manifest.id in self and self.get(manifest.id).manifest.all_files != manifest.files
        except IntegrityError:
            return False


def importable(source: Path) -> Manifest:
    """Verify an exported folder and return its manifest; raises as :meth:`AdapterStore.import_`."""
    if not (source / MANIFEST).is_file():
        raise InputError(f"no {MANIFEST} here", where=str(source), hint="Import what `adapters export` wrote.")
    manifest = read_sent_manifest(source)
    require_id(manifest.id, str(source / MANIFEST))
    if not ID.fullmatch(manifest.task.name):  # with which the ids of adapters begin that are made of this one
        hint = "Such a name has letters, digits and . _ + - @ ="
        raise InputError(f"{manifest.task.name!r} cannot be a task's name", where=str(source / MANIFEST), hint=hint)
    if manifest.linked:
        hint = "`workbench adapters export` writes it with its files, on the machine that has them."
        raise InputError(f"the model of {manifest.id} is not here: it is linked", where=str(source), hint=hint)
    if foreign_links(source, ["**/*"]):
        raise InputError("there are links in this folder", where=str(source), hint="Import a plain copy of it.")
    with blaming_sender():
        check_files(StoredAdapter(manifest, source), exported=True)
    check_adapter(source, sent=manifest.sent is not None)
    return manifest


def _put_back(source: Path, form: SentForm, manifest: Manifest, draft: Path) -> None:
    """Make the stored files in ``draft``, which has copies of the exported ones, and check them as those of before.

    Raises:
        InputError: they are not those that were stored.
        UnsafeConfigError: as :func:`check_adapter`.
    """
    write_stored(source, form, draft)
    try:
        with blaming_sender():
            check_files(StoredAdapter(manifest, draft))
        check_adapter(draft)
    except InputError as error:
        what = f"what its files were before they were exported: {error.what}"
        raise type(error)(what, where=str(source), hint=error.hint) from None


def _require_finite(stored: StoredAdapter) -> None:
    try:
        for file in sorted(file for file in stored.manifest.all_files if file.endswith(".safetensors")):
            require_finite(stored.path(file))
    except InputError as error:
        raise IntegrityError(error.what, where=error.where, hint=error.hint) from None


def _with_linked(own: checksummed.Stamp | None, stored: StoredAdapter) -> checksummed.Stamp | None:
    """Return the stamp of an adapter's own folder and of what is linked; None where either may change unnoticed."""
    linked = stored.manifest.linked
    other = checksummed.stamp_of(Path(linked.folder), linked.files) if linked else ()
    return None if own is None or other is None else own + other


def _copy(files: Mapping[str, Path], target: Path) -> None:
    """Copy files without their modes: into folders of a workspace that can only be read nothing could be written."""
    for name, source in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target / name)
