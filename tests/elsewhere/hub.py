"""A hub that stands in for the real one: what is asked of it lies in a cache as huggingface_hub keeps it, as links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import pytest

from adapter_workbench.workbench.files.digest import digest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """Repositories as folders, and which of their files were fetched.

    Attributes:
        root: owner/name below it are the repositories.
        cache: where snapshots go.
        fetched: files of all repositories, in the order in which they were first fetched.
    """

    root: Path
    cache: Path
    fetched: list[str] = field(default_factory=list)

    def snapshot(
        self,
        repository: str,
        revision: str | None = None,
        allow_patterns: Sequence[str] = (),
        ignore_patterns: Sequence[str] = (),
        local_files_only: bool = False,
    ) -> str:
        """Stand in for ``huggingface_hub.snapshot_download``."""
        assert not local_files_only
        from huggingface_hub.errors import RepositoryNotFoundError
        from requests import Response

        source, kept = self.root / repository, self.cache / f"models--{repository.replace('/', '--')}"
        if not source.is_dir():
            raise RepositoryNotFoundError(f"404: {repository} @ {revision}", response=Response())
        target = kept / "snapshots" / COMMIT
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted(file for file in source.rglob("*") if file.is_file()):
            name = path.relative_to(source).as_posix()
            wanted = any(fnmatch(name, pattern) for pattern in allow_patterns)
            if wanted and not any(fnmatch(name, pattern) for pattern in ignore_patterns):
                self._fetch(path, target / name, kept / "blobs")
        return str(target)

    def _fetch(self, path: Path, link: Path, blobs: Path) -> None:
        if not link.exists():
            self.fetched.append(link.name)
            blob = blobs / digest(path)
            for folder in (blobs, link.parent):
                folder.mkdir(parents=True, exist_ok=True)
            blob.write_bytes(path.read_bytes())
            link.symlink_to(blob)


def hub(folder: Path, patch: pytest.MonkeyPatch) -> Hub:
    """Return a hub below ``folder`` that is asked in place of the real one."""
    made = Hub(folder / "hub", folder / "cache")
    patch.setattr("huggingface_hub.snapshot_download", made.snapshot)
    patch.setattr("adapter_workbench.workbench.files.hub_files.hub_silence", lambda: "")
    return made
