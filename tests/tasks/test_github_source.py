"""Files of a repository at a commit: fetched once, under their address, and only with the promised bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.errors import AssetError, SettingsError
from adapter_workbench.workbench.methods.task import Task

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ADDRESS = f"https://raw.githubusercontent.com/owner/data/{COMMIT}/of/it/rows%201.json"
ROWS = [{"input": f"number {n}", "output": [f"answer {n}", "another"]} for n in range(40)]
CONTENT = json.dumps({"Definition": [" Say it. "], "Instances": ROWS}).encode()
Load = Callable[[str], Task]


def document(content: bytes = CONTENT, path: str = "of/it/rows 1.json") -> str:
    return f"""kind: seq2seq
github:
  repository: owner/data
  commit: {COMMIT}
  data: {{path: {path}, sha256: {hashlib.sha256(content).hexdigest()}}}
  format: natural-instructions
columns: {{text: [definition, input], answer: output}}
"""


def answer(status: int, content: bytes) -> requests.Response:
    response = requests.Response()
    response.status_code, response.reason, response._content = status, "Not Found", content
    return response


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """GitHub, which answers with one file; the addresses that are asked for."""
    addresses: list[str] = []

    def get(address: str, timeout: float) -> requests.Response:
        addresses.append(address)
        return answer(200, CONTENT) if address == ADDRESS else answer(404, b"")

    monkeypatch.setattr(requests, "get", get)
    return addresses


def test_a_file_is_fetched_once(load: Load, folder: Path, asked: list[str]) -> None:
    task = load(document())
    rows = {row["text"]: row["answer"] for split in task.splits.values() for row in split}
    assert rows == {f"Say it. number {n}": f"answer {n}" for n in range(40)}, "the first of several right answers"
    assert task.origin == f"github owner/data@{COMMIT[:12]}"
    load(document() + "metric: rouge-l\n")  # other rows, from the same file
    assert asked == [ADDRESS]


def test_what_is_here_is_told_without_a_network(load: Load, folder: Path, asked: list[str]) -> None:
    (folder / "mine.yaml").write_text(f"description: d\n{document()}", encoding="utf-8")
    before = registry.available(registry.find("mine", [folder]))
    assert (before.state, before.location) == ("download", f"GitHub, owner/data@{COMMIT[:12]}")
    assert not asked
    load(document())
    (folder / "mine.yaml").write_text(f"description: d\n{document()}metric: rouge-l\n", encoding="utf-8")
    after = registry.available(registry.find("mine", [folder]))
    assert (after.state, after.location) == ("here", f"cached from GitHub, owner/data@{COMMIT[:12]}")


def test_other_bytes_are_discarded(load: Load, asked: list[str]) -> None:
    for _ in range(2):
        with pytest.raises(AssetError, match=r"rows 1\.json of owner/data@0123456789ab has SHA-256 \w+, expected"):
            load(document(b"other bytes"))
    assert asked == [ADDRESS, ADDRESS]


def test_a_wrong_digest_leaves_the_file_that_was_here_before(
    load: Load, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load(document())
    with pytest.raises(AssetError, match=r"discarded\. The copy that was here before stays as it is"):
        load(document(b"other bytes"))
    monkeypatch.setattr(requests, "get", lambda address, timeout: answer(404, b""))
    with pytest.raises(AssetError, match=r"that is here has SHA-256 .* 404 Not Found\n.*before stays as it is"):
        load(document(b"other bytes"))
    load(document() + "metric: rouge-l\n")  # other rows, from the same file
    assert asked == [ADDRESS, ADDRESS]


def test_a_file_that_cannot_be_had(load: Load, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssetError, match=r"cannot download nowhere\.json of owner/data@0123456789ab: 404 Not Found"):
        load(document(path="nowhere.json"))

    def silent(address: str, timeout: float) -> requests.Response:
        raise requests.ConnectionError

    monkeypatch.setattr(requests, "get", silent)
    with pytest.raises(AssetError, match=r"cannot download .*: no answer"):
        load(document())


@pytest.mark.parametrize("path", ["../rows.json", "/etc/passwd", "a/../../b"])
def test_a_path_stays_inside_the_repository(load: Load, path: str) -> None:
    with pytest.raises(SettingsError, match="path inside the repository"):
        load(document(path=path))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (COMMIT, "main", "github.commit"),
        ("owner/data", "owner/..", "github.repository"),
        ("  data: {", "  test: {", "give either `train`"),
    ],
)
def test_settings_that_do_not_fit(load: Load, old: str, new: str, expected: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(document().replace(old, new))
    assert expected in str(error.value)
