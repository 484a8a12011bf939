"""Adapters that cannot be read hide no other, and are named with what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapter_workbench.experiments.terminal.completion import adapter as completed
from adapter_workbench.workbench.adapters.store import AdapterStore
from tests.conftest import Call
from tests.messages import lacks
from tests.workbench.test_store import manifest, writer


@pytest.fixture
def store(call: Call, tmp_path: Path) -> AdapterStore:
    """A sound adapter, two whose manifest cannot be read, and one with a changed file, where commands run."""
    store = AdapterStore(tmp_path / ".workbench" / "adapters")
    for name in ("news-lora-1", "news-lora-2", "news-lora-3", "news-lora-4"):
        store.save(manifest(name), writer())
    (store.root / "news-lora-2" / "manifest.json").write_text("{")
    (store.root / "news-lora-3" / "manifest.json").write_text('{"id": "news-lora-3"}')
    next(path for path in (store.root / "news-lora-4").iterdir() if path.name != "manifest.json").write_bytes(b"other")
    return store


def test_a_list_has_the_others_and_names_the_damaged(store: AdapterStore, call: Call) -> None:
    code, out, err = call("adapters", "list", "--json")
    assert (code, [adapter["id"] for adapter in json.loads(out)]) == (0, ["news-lora-1", "news-lora-4"])
    assert lacks(err, "news-lora-2", "news-lora-3", "`workbench adapters verify`") == []
    code, out, _ = call("adapters", "list")
    assert (code, "lora" in out) == (0, True)


def test_a_shell_completes_all_of_them(store: AdapterStore) -> None:
    class Line:
        params: dict[str, object] = {}  # noqa: RUF012 (what typer hands over, in little)

    assert completed(Line(), "") == ["news", *store.ids()]  # type: ignore[arg-type]


def test_verify_names_every_damaged_one(store: AdapterStore, call: Call) -> None:
    code, out, err = call("adapters", "verify")
    assert (code, out) == (1, "")
    *lines, total, hint = err.splitlines()
    assert [name for name in ("lora-1", "lora-2", "lora-3", "lora-4") if any(name in line for line in lines)] == [
        "lora-2", "lora-3", "lora-4",
    ]  # fmt: skip
    assert len(lines) == 3
    assert total == "Error: 3 of 4 adapters are damaged."
    assert "train it again" in hint
    code, out, _ = call("adapters", "verify", "--json")
    assert (code, [adapter["sound"] for adapter in json.loads(out)]) == (1, [True, False, False, False])
    assert call("adapters", "verify", "news-lora-1")[0] == 0
    code, out, err = call("adapters", "verify", "news-lora-2")
    assert (code, out, err.count("\n")) == (1, "", 2)
    assert "no readable manifest" in err
