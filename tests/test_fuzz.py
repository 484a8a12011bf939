"""Whatever a command is given: one short message at the most, no traceback, nothing changed, no foreign code run.

``WORKBENCH_FUZZ=20000 python -m pytest tests/test_fuzz.py`` tries more cases than the 2,000 of every day.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import toy
from tests.fuzzing import changed, damaged, importable, require_promises, texts, values, write_canaries
from tests.streams import write_recipe
from workbench.adaptation import Adaptation
from workbench.backbone import Backbone
from workbench.contracts import FitRecord
from workbench.learning import describe, keep
from workbench.methods import METHODS
from workbench.settings import Budget
from workbench.store import MANIFEST, AdapterStore, key

CASES = int(os.environ.get("WORKBENCH_FUZZ", "2000"))


def cases(share: float) -> Any:
    """Return the settings for a share of all cases; the same ones every time."""
    ignored = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
    return settings(
        max_examples=max(int(CASES * share), 1),
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=ignored,
    )


@pytest.fixture(scope="module")
def place(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder as a person has it: tasks, a recipe, a copy of a backbone, modules that must not be run."""
    folder = tmp_path_factory.mktemp("place")
    write_recipe(folder, bert)
    write_canaries(folder)
    shutil.copytree(bert, folder / "model")
    with pytest.MonkeyPatch.context() as patch, importable(folder):
        for name in ("WORKBENCH_HOME", "WORKBENCH_TASKS", "MLFLOW_TRACKING_URI"):
            patch.delenv(name, raising=False)
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("WORKBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("COLUMNS", "100")
        yield folder


@pytest.fixture(scope="module")
def stored(place: Path, backbone: Backbone) -> Path:
    """An adapter's folder, as its sender wrote it."""
    task = toy("classification")
    adaptation = Adaptation(backbone, "lora", METHODS.get("lora").settings(), "fp32")
    model = adaptation.fresh(task.kind, 2, seed=0)
    about = describe("sent-lora", task, adaptation, Budget(max_length=16), 0, FitRecord((), 0, 0.5, 0, 0.0, None, 1))
    return keep(model, adaptation, about, AdapterStore(place / "senders")).folder


def written(path: Path, document: Any) -> Path:
    path.write_text(yaml.safe_dump(document, allow_unicode=False), encoding="utf-8")
    return path


@cases(0.3)
@given(data=st.data())
def test_recipes(place: Path, data: st.DataObject) -> None:
    recipe = yaml.safe_load((place / "stream.yaml").read_text(encoding="utf-8"))
    kinds = {
        "stream": recipe | {"frontier": {"isolated": [0.1]}, "probes": ["linear"], "orders": 2},
        "methods": {name: recipe[name] for name in ("name", "backbone", "tasks", "seeds", "budget")}
        | {"methods": {"lora": {"rank": 4}, "full": {}}},
        "targets": {name: recipe[name] for name in ("name", "backbone", "budget")}
        | {"targets": ["fruits"], "sources": ["animals", "halves"], "shots": [4], "compositions": {"average": {}}},
    }
    path = written(place / "other.yaml", data.draw(changed(kinds[data.draw(st.sampled_from(sorted(kinds)))])))
    if data.draw(st.integers(0, 4)) == 0:
        path.write_bytes(data.draw(damaged(path.read_bytes())))
    require_promises(place, "run", str(path), "--dry-run")


@cases(0.2)
@given(data=st.data())
def test_tasks_and_their_data(place: Path, data: st.DataObject) -> None:
    rows = (place / "tasks" / "animals-train.csv").read_bytes()[:400]
    (place / "rows.csv").write_bytes(rows if data.draw(st.booleans()) else data.draw(damaged(rows)))
    task = {
        "description": "made in tests",
        "files": {"data": "../rows.csv"},
        "columns": {"text": "text", "label": "label"},
        "labels": ["first", "second"],
        "splits": {"validation": 0.2, "test": 0.2, "seed": 0, "stratified": True},
    }
    path = written(place / "tasks" / "other.yaml", data.draw(changed(task)))
    if data.draw(st.integers(0, 4)) == 0:
        path.write_bytes(data.draw(damaged(path.read_bytes())))
    require_promises(place, "tasks", data.draw(st.sampled_from(["check", "show"])), "other")
    path.unlink()
    require_promises(place, "tasks", "new", data.draw(texts), "--from", "rows.csv", "--dry-run")


@cases(0.2)
@given(data=st.data())
def test_backbones(place: Path, bert: Path, data: st.DataObject) -> None:
    model = place / "model"
    file = data.draw(st.sampled_from(["config.json", "config.json", "tokenizer_config.json", "generation_config.json"]))
    whole = (bert / file).read_bytes() if (bert / file).exists() else b'{"eos_token_id": 3}'
    document = json.dumps(data.draw(changed(json.loads(whole))), default=str).encode()
    (model / file).write_bytes(document if data.draw(st.integers(0, 4)) else data.draw(damaged(whole)))
    require_promises(place, "plan", "--model-config", "model", "--method", "lora")
    require_promises(place, "tasks", "check", "animals", "--backbone", "model")
    (model / file).write_bytes(whole)


@cases(0.2)
@given(data=st.data())
def test_adapters(place: Path, bert: Path, stored: Path, data: st.DataObject) -> None:
    shutil.rmtree(place / "sent", ignore_errors=True)
    sent = shutil.copytree(stored, place / "sent")
    file = data.draw(st.sampled_from([MANIFEST, MANIFEST, "adapter_config.json", "adapter_model.safetensors"]))
    whole = (stored / file).read_bytes()
    if file.endswith("json") and data.draw(st.integers(0, 4)):
        (sent / file).write_text(json.dumps(data.draw(changed(json.loads(whole))), default=str), encoding="utf-8")
    else:
        (sent / file).write_bytes(data.draw(damaged(whole)))
    if data.draw(st.booleans()):
        _seal(sent)
    found = require_promises(place, "adapters", "import", "sent", "--backbone", str(bert))
    if found.code == 0:
        require_promises(place, "adapters", "list")
        require_promises(place, "predict", "sent-lora", "the cat this")
        shutil.rmtree(place / ".workbench" / "adapters")


def _seal(folder: Path) -> None:
    """Make the digests right again, where the manifest is still one: a sender who changes files does so."""
    from workbench.assets import digest

    try:
        told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except ValueError:
        return
    if isinstance(told, dict):
        names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        told["files"] = {name: digest(folder / name) for name in names if name != MANIFEST}
        told["sha256"] = key({name: value for name, value in told.items() if name != "sha256"})
        (folder / MANIFEST).write_text(json.dumps(told), encoding="utf-8")


COMMANDS = [
    ("tasks", "show", "{}"),
    ("tasks", "check", "{}"),
    ("tasks", "new", "{}", "--from", "{}"),
    ("train", "animals", "--method", "{}"),
    ("train", "{}", "--method", "lora"),
    ("train", "animals", "--method", "lora", "--seed", "{}", "--backbone", "minilmm"),
    ("train", "animals", "--method", "lora", "--backbone", "{}x"),
    ("train", "animals", "--method", "lorra", "--set", "{}={}"),
    ("train", "animals", "--method", "lora", "--set", "no.such.key={}"),
    ("compare", "animals", "--methods", "{}", "--seeds", "{}", "--set", "budget.no={}"),
    ("fuse", "animals", "--from", "{}", "--method", "{}"),
    ("predict", "{}", "{}"),
    ("predict", "router:{}", "{}"),
    ("predict", "none", "--file", "{}", "--column", "{}", "--out", "{}"),
    ("adapters", "show", "{}"),
    ("adapters", "remove", "{}"),
    ("adapters", "export", "{}", "{}"),
    ("adapters", "import", "{}"),
    ("report", "{}", "--html", "{}"),
    ("run", "{}", "--dry-run"),
    ("run", "stream.yaml", "--dry-run", "--set", "{}={}"),
    ("run", "stream.yaml", "--dry-run", "--set", "budget.{}={}"),
    ("run", "stream.yaml", "--dry-run", "--set", "strategies.isolated.{}={}"),
    ("plan", "--model-config", "{}", "--method", "{}"),
    ("plan", "--model-config", "model", "--method", "lora", "--set", "rank={}", "--max-length", "{}"),
    ("recipes", "show", "{}"),
    ("{}",),
]


@cases(0.1)
@given(data=st.data())
def test_command_lines(place: Path, data: st.DataObject) -> None:
    words = [
        word.format(*(data.draw(texts | values.map(str)) for _ in range(word.count("{}"))))
        for word in data.draw(st.sampled_from(COMMANDS))
    ]
    sent = [
        word.encode(
            errors="surrogateescape",
        ).decode(errors="surrogateescape")
        if _fits(word)
        else "?"
        for word in words
    ]
    require_promises(place, *(word.replace("\x00", "") for word in sent))


def _fits(word: str) -> bool:
    """Return whether a shell could pass a word on."""
    try:
        word.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
