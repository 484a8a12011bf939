"""The largest file that a process may write (``ulimit -f``): one message with the path and the limit, nothing left."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from adapter_workbench.experiments.answers.importing import import_each
from adapter_workbench.experiments.cli import _leave_disk
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.errors import TrackingError, UnwritableError
from adapter_workbench.workbench.files import atomic
from adapter_workbench.workbench.files.cache import cache_folder, writing_cache
from adapter_workbench.workbench.files.size_limit import too_large
from adapter_workbench.workbench.mlflow.tracker import Tracker
from tests.conftest import Call
from tests.fuzzing.promises import content
from tests.fuzzing.senders import sent_folder
from tests.messages import lacks, naming
from tests.workbench.test_store import manifest, writer

LIMIT = 1024


@contextmanager
def limited(most: int = LIMIT) -> Iterator[None]:
    """Let this process write no file of more bytes; the kernel refuses the rest, as under ``ulimit -f``."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def text_in(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "file").write_bytes(b"x" * 2 * LIMIT)


def tensors_in(folder: Path) -> None:
    save_file({"weight": torch.zeros(LIMIT)}, folder / "weights.safetensors")


def silently_in(folder: Path) -> None:
    """Fail as a library does that does not hand on what the system said."""
    (folder / "file").write_bytes(b"x" * LIMIT)
    raise RuntimeError("file write failed")


@pytest.mark.parametrize("fill", [text_in, tensors_in, silently_in])
@pytest.mark.parametrize("make", [atomic.written_whole, atomic.new_folder, atomic.folder_beside])
def test_a_folder_with_a_file_too_large_is_not_left(
    make: Callable[[Path], AbstractContextManager[Path]], fill: Callable[[Path], None], tmp_path: Path
) -> None:
    named = tmp_path if make is atomic.folder_beside else tmp_path / "target"
    message = naming(f"{named}: cannot write here", "1,024 bytes")
    with limited(), pytest.raises(UnwritableError, match=message), make(tmp_path / "target") as folder:
        fill(folder)
    assert [*tmp_path.iterdir()] == []


def test_a_file_that_would_be_too_large_stays_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "file"
    atomic.write_whole(target, "old")
    with limited(), pytest.raises(UnwritableError, match=naming(str(target), "1,024 bytes", "ulimit -f")):
        atomic.write_whole(target, "x" * 2 * LIMIT)
    assert (target.read_text(encoding="utf-8"), [*tmp_path.iterdir()]) == ("old", [target])


def test_other_errors_under_a_limit_stay_what_they_are(tmp_path: Path) -> None:
    with limited(), pytest.raises(RuntimeError, match="another"), atomic.written_whole(tmp_path / "target") as folder:
        (folder / "file").write_bytes(b"x" * (LIMIT - 1))
        raise RuntimeError("another")


def test_the_cache_is_not_blamed() -> None:
    """Another folder for it would not help."""
    with limited(), pytest.raises(UnwritableError, match="1,024 bytes"), writing_cache():
        atomic.write_whole(cache_folder() / "large", "x" * 2 * LIMIT)


def test_what_is_written_elsewhere_is_one_message_too(capsys: pytest.CaptureFixture[str]) -> None:
    refusals = (
        OSError(errno.EFBIG, os.strerror(errno.EFBIG), "some/file"),
        RuntimeError(f"I/O error: {os.strerror(errno.EFBIG)} (os error {errno.EFBIG})"),
        FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"),
    )
    for refusal in refusals:
        with limited(0), pytest.raises(SystemExit) as leaving:
            _leave_disk(refusal)
        error = capsys.readouterr().err
        assert (leaving.value.code, error.count("\n")) == (2, 2)
        assert lacks(error, "at most 0 bytes (ulimit -f)", "Raise the limit") == []
        assert ("some/file" in error) == (refusal is refusals[0])


def test_without_a_limit_it_is_the_file_systems() -> None:
    assert "the file system takes no file of this size" in str(too_large("here"))


COMMANDS = {
    "adapters import": (("adapters", "import", "sent", "--labels", "a,b,c", "--backbone"), ".workbench/adapters"),
    "adapters export": (("adapters", "export", "news-lora-1", "new"), "new"),
    "tasks new": (("tasks", "new", "mine", "--from", "rows.csv"), "tasks/mine.yaml"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_under_a_limit_changes_nothing(command: str, call: Call, bert: Path, tmp_path: Path) -> None:
    arguments, where = COMMANDS[command]
    if command == "adapters import":
        sent_folder("lora", bert, tmp_path / "sent")
    AdapterStore(tmp_path / ".workbench" / "adapters").save(manifest("news-lora-1"), writer())
    lines = ["text,label", *(f"text {number},{'ab'[number % 2]}" for number in range(40))]
    (tmp_path / "rows.csv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "tasks").mkdir()
    before = content(tmp_path)
    with limited(256):
        code, _, err = call(*arguments, *([str(bert)] if arguments[-1] == "--backbone" else []))
    assert code == 2, err
    assert lacks(err, f"{where}: cannot write here: ", "at most 256 bytes (ulimit -f)", "Raise the limit") == []
    assert "Traceback" not in err
    assert content(tmp_path) == before


def test_several_folders_are_refused_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a path of its own the refusal ends the import: every other folder would meet it too."""

    def refuses(*_: object) -> None:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))

    monkeypatch.setattr("adapter_workbench.experiments.answers.importing.import_source", refuses)
    with pytest.raises(OSError, match="File too large"):
        next(import_each(None, [None]))  # type: ignore[arg-type, list-item]


def test_a_tracking_database_says_the_limit_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite says only that it could not write."""

    def refuses(_: object) -> None:
        raise OSError("(sqlite3.OperationalError) disk I/O error")

    monkeypatch.setattr("adapter_workbench.workbench.mlflow.tracker.BoundedClient", refuses)
    (tmp_path / "mlflow.db").touch()
    with limited(), pytest.raises(TrackingError, match=naming("mlflow.db", "disk I/O error; ", "1,024 bytes")):
        Tracker(f"sqlite:///{tmp_path}/mlflow.db").registered_models()
