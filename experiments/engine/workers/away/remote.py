"""The desk of a run, from another machine: calls of Ray's, and the errors as they were raised there."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayTaskError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from experiments.engine.workers.away.backbones import ModelFiles
    from experiments.engine.workers.away.changes import Changes
    from experiments.engine.workers.away.files import Part

AHEAD = 2  # messages that the desk may be ahead of who takes them


class RemoteDesk:
    """A :class:`experiments.engine.workers.away.desk.Desk`, wherever it is."""

    def __init__(self, actor: Any) -> None:
        """Ask ``actor``."""
        self._actor = actor

    def names(self, below: str) -> list[str]:
        """Return the names of all files at or below one."""
        names: list[str] = self._ask(self._actor.names, below)
        return names

    def parts(self, wanted: Sequence[str]) -> Iterator[list[Part]]:
        """Yield files."""
        return self._stream(self._actor.parts, wanted)

    def model_files(self, number: int) -> ModelFiles:
        """Return which files a backbone has."""
        files: ModelFiles = self._ask(self._actor.model_files, number)
        return files

    def model_parts(self, number: int) -> Iterator[list[Part]]:
        """Yield the files of a backbone."""
        return self._stream(self._actor.model_parts, number)

    def take(self, transfer: str, some: Sequence[Part]) -> None:
        """Hand over the next parts of what a piece has left; they are there when this returns, so they keep order."""
        self._ask(self._actor.take, transfer, some)

    def settle(self, transfer: str, changes: Changes, pace: str) -> None:
        """Have the changes of a piece made."""
        self._ask(self._actor.settle, transfer, changes, pace)

    def claim(self, key: str, worker: str) -> bool:
        """Return whether a piece is claimed now for a worker."""
        return bool(self._ask(self._actor.claim, key, worker))

    def release(self, key: str, worker: str) -> None:
        """Let go of a piece of a worker."""
        self._ask(self._actor.release, key, worker)

    def forget(self, worker: str) -> None:
        """Let go of all pieces of a worker that has gone."""
        self._ask(self._actor.forget, worker)

    def _ask(self, method: Any, *given: Any) -> Any:
        with _as_raised():
            return ray.get(method.remote(*given))

    def _stream(self, method: Any, given: Any) -> Iterator[list[Part]]:
        options = {"num_returns": "streaming", "_generator_backpressure_num_objects": AHEAD}
        for reference in method.options(**options).remote(given):
            with _as_raised():
                parts: list[Part] = ray.get(reference)
            yield parts


@contextmanager
def _as_raised() -> Iterator[None]:
    try:
        yield
    except RayTaskError as error:
        raise error.cause from None
