"""What a command has read it does not read again, unless its file has changed since."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from adapter_workbench.experiments.workspace import Workspace, documents
from adapter_workbench.workbench.errors import IntegrityError
from adapter_workbench.workbench.files import checksummed, read_once
from tests.ear import Ear


@dataclass(frozen=True)
class Small:
    value: str


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the documents that were read from their files; these count as old enough at once."""
    monkeypatch.setattr(checksummed, "SETTLED", -60.0)
    names: list[str] = []
    read = checksummed.read

    def noted(kind: TypeAdapter[Any], path: Path, under: str | None = None) -> Any:
        names.append(path.stem)
        return read(kind, path, under)

    monkeypatch.setattr(checksummed, "read", noted)
    return names


def test_a_document_is_read_once_by_all_that_look_at_a_workspace(tmp_path: Path, reads: list[str]) -> None:
    workspace = Workspace(tmp_path)
    workspace.documents("small", Small).save("a", Small("first"))
    views = [workspace, workspace, workspace.mending(Ear())]
    assert [view.documents("small", Small).get("a") for view in views] == 3 * [Small("first")]
    assert reads == ["a"]
    assert Workspace(tmp_path).documents("small", Small).get("a") == Small("first")
    assert reads == ["a", "a"], "another command begins anew"


def test_one_that_is_written_again_is_read_again(tmp_path: Path, reads: list[str]) -> None:
    stored = Workspace(tmp_path).documents("small", Small)
    for text in ("first", "other"):  # of one length
        stored.save("a", Small(text))
        assert stored.get("a") == Small(text)
    assert reads == ["a", "a"]


def test_one_that_was_damaged_or_deleted_meanwhile_is_noticed(tmp_path: Path, reads: list[str]) -> None:
    stored = Workspace(tmp_path).documents("small", Small)
    stored.save("a", Small("first"))
    assert stored.get("a") == Small("first")
    path = tmp_path / "small" / "a.json"
    path.write_text(path.read_text(encoding="utf-8").replace("first", "other"), encoding="utf-8")
    with pytest.raises(IntegrityError, match="has changed"):
        stored.get("a")
    path.unlink()
    assert stored.get("a") is None


def test_one_that_has_just_changed_is_read_each_time(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksummed, "SETTLED", 60.0)
    stored = Workspace(tmp_path).documents("small", Small)
    stored.save("a", Small("first"))
    assert [stored.get("a"), stored.get("a")] == 2 * [Small("first")]
    assert reads == ["a", "a"]


def test_large_ones_and_those_beyond_the_most_are_read_each_time(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_once, "MOST", 1)
    stored = Workspace(tmp_path).documents("small", Small)
    for key, text in {"large": "x" * documents.LARGEST, "a": "first", "b": "other"}.items():
        stored.save(key, Small(text))
    for key in 2 * ("large", "a", "b"):
        stored.get(key)
    assert reads == ["large", "a", "b", "large", "b"]
