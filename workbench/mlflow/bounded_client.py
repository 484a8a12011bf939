"""MLflow's client with an end to every call: a server may answer a byte at a time, or with something else entirely."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from adapter_workbench.workbench.errors import TrackingError, reason
from adapter_workbench.workbench.machine.own_thread import in_own_thread

PATIENCE = 20.0  # seconds for a call; what requests is given is the time between two bytes of an answer
UPLOAD_RATE = 100_000  # bytes a second: a call that sends files may take longer, by their size
UPLOADS = ("log_artifacts", "log_model_artifacts")
LOCAL = "sqlite:///"  # answers at once, and needs no thread


def all_pages(ask: Callable[[str | None], Any]) -> Iterator[Any]:
    """Yield what MLflow lists in pages; ``ask`` returns the page of a token, the first one for None."""
    token = None
    while True:
        page = ask(token)
        yield from page
        if not (token := page.token):
            return


class BoundedClient:
    """Has the methods of ``MlflowClient``; each returns in time, or raises what MLflow raises or a TrackingError.

    A call that is given up goes on in a thread of its own, because nothing can end it. Until it ends no other begins:
    two writers would make a run twice.
    """

    def __init__(self, uri: str) -> None:
        """Neither import MLflow nor contact the server."""
        self.deadline = math.inf  # of time.monotonic, for all calls together
        self._uri = uri
        self._made: Any = None
        self._pending: Future[Any] = Future()
        self._pending.set_result(None)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return MLflow's method of that name, with an end."""
        if name.startswith("_"):
            raise AttributeError(name)

        def call(*given: Any, **options: Any) -> Any:
            seconds = PATIENCE + _bytes(name, given) / UPLOAD_RATE
            return self._within(seconds, lambda: getattr(self._client(), name)(*given, **options))

        return call

    def file_sizes(self, location: str, paths: Iterable[str]) -> dict[str, int]:
        """Return the sizes of the files that lie where ``paths`` do, by path.

        Args:
            location: of a run's or a model's files, as MLflow names it: asked by its id, MLflow looks for the run or
                the model first, and for models that are called like a folder.
            paths: of files, below it.
        """
        folders = sorted({PurePosixPath(path).parent for path in paths})
        listed = [self._within(PATIENCE, partial(_listed, self._uri, location, folder)) for folder in folders]
        return {path: size for sizes in listed for path, size in sizes.items()}

    def _client(self) -> Any:
        from mlflow.tracking import MlflowClient

        if self._made is None:
            self._made = MlflowClient(tracking_uri=self._uri)
        return self._made

    def _within(self, seconds: float, ask: Callable[[], Any]) -> Any:
        seconds = min(seconds, self.deadline - time.monotonic())
        if seconds <= 0:
            raise TimeoutError("it is too slow: it did not send everything in the time allowed")
        if self._uri.startswith(LOCAL):
            return _answer_of(ask)
        if not self._pending.done():
            raise TimeoutError("it is too slow: it has not answered the last request yet")
        answer = self._pending = in_own_thread(lambda: _answer_of(ask), "MLflow")
        if not wait([answer], seconds).done:
            raise TimeoutError(f"it is too slow: no complete answer within {seconds:.0f} s")
        return answer.result()


def _answer_of(ask: Callable[[], Any]) -> Any:
    """Return the answer; an error that no store of MLflow's would raise becomes a TrackingError."""
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return ask()
    except (MlflowException, SQLAlchemyError, CommandError, OSError):
        raise
    except Exception as error:  # drivers that are missing, addresses that are none, types that nobody expects
        raise TrackingError(reason(error)) from error


def _listed(uri: str, location: str, folder: PurePosixPath) -> dict[str, int]:
    from mlflow.artifacts import list_artifacts

    whole = location if folder == PurePosixPath() else f"{location.rstrip('/')}/{folder}"
    files = [file for file in list_artifacts(artifact_uri=whole, tracking_uri=uri) if not file.is_dir]
    return {str(folder / PurePosixPath(file.path).name): file.file_size for file in files}


def _bytes(name: str, given: tuple[Any, ...]) -> int:
    """Return the size of the folder that a call sends: ``log_artifacts(run, folder)``."""
    if name not in UPLOADS:
        return 0
    return sum(path.stat().st_size for path in Path(given[1]).rglob("*") if path.is_file())
