"""The files of a backbone, for a machine that does not have them: they are sent once, and stay in its cache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from adapter_workbench.experiments.engine.workers.remote.incoming_files import IncomingFiles
from adapter_workbench.workbench.backbone.model_folder import weight_files
from adapter_workbench.workbench.files import atomic
from adapter_workbench.workbench.files.cache import cache_folder, writing_cache
from adapter_workbench.workbench.files.digest import digest, key
from adapter_workbench.workbench.files.hub_files import MODEL_FILES
from adapter_workbench.workbench.files.locks import hold

if TYPE_CHECKING:
    from adapter_workbench.experiments.engine.workers.remote.file_parts import Part
    from adapter_workbench.workbench.backbone.pretrained import Backbone

FOLDER = "brought"  # in the cache


@dataclass(frozen=True)
class BackboneFiles:
    """Which files make up a backbone."""

    key: str  # equal for equal files
    paths: Mapping[str, Path]  # name → where the machine of the run has it


class BackboneSource(Protocol):
    """What has backbones, by their numbers."""

    def backbone_files(self, number: int) -> BackboneFiles:
        """Return which files a backbone has."""

    def backbone_parts(self, number: int) -> Iterator[list[Part]]:
        """Yield their parts."""


def backbone_files(backbone: Backbone) -> BackboneFiles:
    """Return the files that a backbone is opened from; the hub's cache has them as links."""
    files = [path for path in sorted(backbone.folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    paths = {path.name: path for path in files if any(fnmatch(path.name, pattern) for pattern in MODEL_FILES)}
    weights = {path.name for path in weight_files(backbone.folder)}  # the fingerprint covers them
    described = [[name, path.stat().st_size, name in weights or digest(path)] for name, path in paths.items()]
    return BackboneFiles(key([backbone.fingerprint, described]), paths)


def fetch_backbone(backbone: Backbone, number: int, source: BackboneSource) -> Backbone:
    """Return a backbone with its files on this machine; they are fetched if the cache does not have them.

    Raises:
        InputError: the cache cannot be written.
        IntegrityError: they do not arrive as they were sent.
    """
    files = source.backbone_files(number)
    cached_folder = cache_folder() / FOLDER / files.key
    with writing_cache(), hold(cached_folder.with_name(f"{cached_folder.name}.lock"), wait=True):
        if not cached_folder.is_dir():
            atomic.sweep(cached_folder.parent)
            with atomic.written_whole(cached_folder) as folder:
                incoming = IncomingFiles(folder)
                for parts in source.backbone_parts(number):
                    incoming.take(parts)
                incoming.require(files.paths)
    return backbone.elsewhere(cached_folder)
