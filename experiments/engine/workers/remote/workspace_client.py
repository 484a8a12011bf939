"""Calls the workspace server of a run from another machine; errors are raised here as they were raised there."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayTaskError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter_workbench.experiments.engine.workers.remote.backbone_files import BackboneFiles
    from adapter_workbench.experiments.engine.workers.remote.file_parts import Part
    from adapter_workbench.experiments.engine.workers.remote.workspace_changes import Changes

AHEAD = 2  # messages that the server may send before they are taken


class WorkspaceClient:
    """A :class:`WorkspaceServer` on any machine."""

    def __init__(self, actor: Any) -> None:
        """Call ``actor``."""
        self._actor = actor

    def names(self, below: str) -> list[str]:
        """Return the names of all files at or below one."""
        names: list[str] = self._call(self._actor.names, below)
        return names

    def parts(self, names: Sequence[str]) -> Iterator[list[Part]]:
        """Yield the parts of files."""
        return self._stream(self._actor.parts, names)

    def backbone_files(self, number: int) -> BackboneFiles:
        """Return which files a backbone has."""
        files: BackboneFiles = self._call(self._actor.backbone_files, number)
        return files

    def backbone_parts(self, number: int) -> Iterator[list[Part]]:
        """Yield the files of a backbone."""
        return self._stream(self._actor.backbone_parts, number)

    def take(self, transfer: str, parts: Sequence[Part]) -> None:
        """Send the next parts of the files that a piece has written; return when they are there, to keep the order."""
        self._call(self._actor.take, transfer, parts)

    def apply(self, transfer: str, changes: Changes, pace: str) -> None:
        """Apply the changes of a piece."""
        self._call(self._actor.apply, transfer, changes, pace)

    def claim(self, key: str, worker: str) -> bool:
        """Claim a piece for a worker; return whether that worked."""
        return bool(self._call(self._actor.claim, key, worker))

    def release(self, key: str, worker: str) -> None:
        """Release a worker's claim on a piece."""
        self._call(self._actor.release, key, worker)

    def remove_worker(self, worker: str) -> None:
        """Release the claims of a worker that has died, and delete what it has not sent completely."""
        self._call(self._actor.remove_worker, worker)

    def _call(self, method: Any, *arguments: Any) -> Any:
        with _unwrap_errors():
            return ray.get(method.remote(*arguments))

    def _stream(self, method: Any, argument: Any) -> Iterator[list[Part]]:
        options = {"num_returns": "streaming", "_generator_backpressure_num_objects": AHEAD}
        for reference in method.options(**options).remote(argument):
            with _unwrap_errors():
                parts: list[Part] = ray.get(reference)
            yield parts


@contextmanager
def _unwrap_errors() -> Iterator[None]:
    try:
        yield
    except RayTaskError as error:
        raise error.cause from None
