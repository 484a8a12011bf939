"""Whatever a command is given: one short message at the most, no traceback, nothing changed, no foreign code run.

Each case follows from one seed, which a failure prints. ``WORKBENCH_FUZZ=20000 python -m pytest tests/test_fuzz.py``
tries more of them than the 2,000 of every day.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import toy
from tests.fuzzing import changed, damaged, importable, require_promises, text, value, write_canaries
from tests.streams import write_recipe
from workbench.adaptation import Adaptation
from workbench.backbone import Backbone
from workbench.digest import digest, key
from workbench.fit_record import FitRecord
from workbench.manifest import MANIFEST
from workbench.methods import METHODS
from workbench.settings import Budget
from workbench.store import AdapterStore
from workbench.stored_model import describe, keep

CASES = int(os.environ.get("WORKBENCH_FUZZ", "2000"))


def cases(share: float) -> Callable[[Any], Any]:
    """Run a test over this share of all cases, the same ones every time."""
    ignored = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    limits = settings(
        max_examples=max(int(CASES * share), 1),
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=ignored,
    )
    return lambda test: limits(given(random=st.integers(0, 2**64 - 1).map(Random))(test))


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


def write(path: Path, document: Any, random: Random) -> Path:
    """Write a changed document as YAML, some of them damaged."""
    content = yaml.safe_dump(changed(random, document), allow_unicode=False).encode()
    path.write_bytes(content if random.random() < 0.8 else damaged(random, content))
    return path


@cases(0.15)
def test_recipes(place: Path, random: Random) -> None:
    recipe = yaml.safe_load((place / "stream.yaml").read_text(encoding="utf-8"))
    about = {name: recipe[name] for name in ("name", "backbone", "budget")}
    kinds = [
        recipe | {"frontier": {"isolated": [0.1]}, "probes": ["linear"], "orders": 2, "scenario": "task-incremental"},
        about | {"tasks": ["animals"], "seeds": [0], "methods": {"lora": {"rank": 4}, "all": {"method": "full"}}},
        about
        | {"seeds": [0], "shots": [4], "sources": {"tasks": ["animals", "halves"], "method": "lora"}}
        | {"targets": ["fruits"], "compositions": {"average": {"method": "average"}}, "fresh": [0.1]},
    ]
    require_promises(place, "run", str(write(place / "other.yaml", random.choice(kinds), random)), "--dry-run")


@cases(0.2)
def test_tasks_and_their_data(place: Path, random: Random) -> None:
    rows = (place / "tasks" / "animals-train.csv").read_bytes()[:400]
    data = place / random.choice(["rows.csv", "rows.tsv", "rows.txt", "rows.jsonl", "rows.parquet", "rows.xlsx"])
    data.write_bytes(rows if random.random() < 0.3 else damaged(random, rows))
    task = {
        "description": "made in tests",
        "files": {"data": f"../{data.name}"},
        "columns": {"text": "text", "label": "label"},
        "labels": ["first", "second"],
        "splits": {"validation": 0.2, "test": 0.2, "seed": 0, "stratified": True},
    }
    path = write(place / "tasks" / "other.yaml", task, random)
    require_promises(place, "tasks", random.choice(["check", "check", "show"]), "other")
    path.unlink()
    name = random.choice([text(random), "other"])
    require_promises(place, "tasks", "new", name.replace("\x00", ""), "--from", data.name)
    path.unlink(missing_ok=True)
    data.unlink()


@pytest.mark.acceptance
@cases(0.1)
def test_backbones(place: Path, bert: Path, random: Random) -> None:
    shutil.copytree(bert, place / "model", dirs_exist_ok=True)
    file = place / "model" / random.choice(["config.json", "config.json", "tokenizer_config.json", "tokenizer.json"])
    whole = (bert / file.name).read_bytes()
    document = json.dumps(changed(random, json.loads(whole)), default=str).encode()
    file.write_bytes(document if random.random() < 0.8 else damaged(random, whole))
    require_promises(place, "plan", "--model-config", "model", "--method", "lora")
    require_promises(place, "tasks", "check", "animals", "--backbone", "model")


@pytest.mark.acceptance
@cases(0.15)
def test_adapters(place: Path, bert: Path, stored: Path, random: Random) -> None:
    for folder in (place / "sent", place / ".workbench" / "adapters"):
        shutil.rmtree(folder, ignore_errors=True)
    sent = shutil.copytree(stored, place / "sent")
    file = sent / random.choice([MANIFEST, MANIFEST, "adapter_config.json", "adapter_model.safetensors"])
    whole = file.read_bytes()
    if file.suffix == ".json" and random.random() < 0.8:
        file.write_text(json.dumps(changed(random, json.loads(whole)), default=str), encoding="utf-8")
    else:
        file.write_bytes(damaged(random, whole))
    if random.random() < 0.7:
        seal(sent)
    outcome = require_promises(place, "adapters", "import", "sent", "--backbone", str(bert))
    if outcome.code == 0:
        require_promises(place, "adapters", "list")
        require_promises(place, "predict", "sent-lora", "the cat this")


def seal(folder: Path) -> None:
    """Make the digests right again, where the manifest is still one: a sender who changes files does so."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except ValueError:
        return
    if isinstance(manifest, dict):
        names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        manifest["files"] = {name: digest(folder / name) for name in names if name != MANIFEST}
        manifest["sha256"] = key({name: entry for name, entry in manifest.items() if name != "sha256"})
        (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


COMMANDS = [
    ("tasks", "show", "{}"),
    ("tasks", "check", "{}"),
    ("tasks", "new", "{}", "--from", "{}"),
    ("train", "animals", "--method", "no-{}"),
    ("train", "no-{}", "--method", "lora"),
    ("train", "animals", "--method", "lora", "--seed", "{}", "--backbone", "minilmm"),
    ("train", "animals", "--method", "lora", "--backbone", "no-{}"),
    ("train", "animals", "--method", "lorra", "--set", "{}={}"),
    ("train", "animals", "--method", "lora", "--set", "no.such.key={}"),
    ("compare", "animals", "--methods", "{}", "--seeds", "{}", "--set", "budget.no={}"),
    ("fuse", "animals", "--from", "no-{}", "--method", "{}"),
    ("predict", "no-{}", "{}"),
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
    ("recipes", "check", "{}"),
    ("no-{}",),
]


@cases(0.4)
def test_command_lines(place: Path, random: Random) -> None:
    words = [
        word.format(*(shell_word(random) for _ in range(word.count("{}")))).replace("\x00", "")
        for word in random.choice(COMMANDS)
    ]
    require_promises(place, *words)


def shell_word(random: Random) -> str:
    """Return a word as a shell may pass it on."""
    word = text(random) if random.random() < 0.6 else str(value(random))
    return word.encode(errors="replace").decode()
