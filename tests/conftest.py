"""Tiny real models built from configs, and tiny tasks that they can learn: nothing is downloaded."""

from __future__ import annotations

import gc
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

torch.set_num_threads(1)  # the models are tiny, and the tests run side by side
if not torch.cuda.is_available():  # else every seed is kept for later, with the stack it came from, which is deep here
    for accelerator in (torch.cuda, torch.xpu, torch.mtia):
        accelerator.manual_seed_all = lambda seed: None
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it, and a test sends it

from datasets import Dataset

from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.machine.extras import installed_version
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.modules import FOLDERS, PACKAGE
from tests.tiny_models import FILLERS, FRUITS, SUBJECTS, write_bert, write_llama, write_t5

Call = Callable[..., tuple[int, str, str]]


class ShortNames:
    """Finds no package of this project by a name that an installation has not: the checkout is on the path here."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        """Raise ModuleNotFoundError for one."""
        if name in FOLDERS:
            raise ModuleNotFoundError(f"{name} is a part of {PACKAGE}", name=name)


sys.meta_path.insert(0, ShortNames)
pytest_plugins = ["tests.tiers.plugin"]
NOT_INSTALLED = "the package adapters is not installed"


written = {"never": sys.dont_write_bytecode}
sys.dont_write_bytecode = False  # while tests are collected: the next process need not rewrite assertions again


def pytest_collection_finish() -> None:
    """Write byte code as the environment says from here on: tests write modules of their own, and change them."""
    sys.dont_write_bytecode = written["never"]


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Have every second process collect from the end: two that rewrite assertions of the same file do it twice."""
    report = yield
    if isinstance(collector, pytest.Directory) and os.environ.get("PYTEST_XDIST_WORKER", "gw0")[-1] in "13579":
        report.result.reverse()
    return report


frozen = {"modules": 0}


def pytest_runtest_setup() -> None:
    """Take what libraries brought out of garbage collection: every fit collects, and would go through all of it."""
    if len(sys.modules) > frozen["modules"] + 20:  # many of them are imported by the first test that needs them
        gc.collect()
        gc.freeze()
        frozen["modules"] = len(sys.modules)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Skip whatever is refused for want of the package `adapters`, in an environment that is without it."""
    report = yield
    if call.excinfo and not installed_version("adapters") and NOT_INSTALLED in str(call.excinfo.value):
        report.outcome, report.longrepr = "skipped", (str(item.path), 0, NOT_INSTALLED)
    return report


@pytest.fixture(scope="session", autouse=True)
def databases_are_copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have MLflow make the tables of a new database once; it takes a second, and many tests log to a new one."""
    from adapter_workbench.workbench.files.atomic import write_whole
    from adapter_workbench.workbench.mlflow.database import set_up

    original = tmp_path_factory.mktemp("mlflow") / "mlflow.db"

    def copied(database: Path) -> None:
        if not original.exists():
            set_up(original)
        if not database.exists():
            write_whole(database, original.read_bytes())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adapter_workbench.workbench.mlflow.tracker.set_up", copied)
        yield


@pytest.fixture(scope="session", autouse=True)
def nothing_waits_for_the_disk() -> Iterator[None]:
    """Leave what is written to the system: tests kill processes, and no test cuts the power."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def unsynced(connection: Any, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF").close()

    event.listen(Engine, "connect", unsynced)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        yield
    event.remove(Engine, "connect", unsynced)


@pytest.fixture(scope="session", autouse=True)
def fingerprints_are_remembered_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Leave nothing of the tests' models in the cache of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setattr("adapter_workbench.workbench.backbone.fingerprints.cache_folder", lambda: folder)
        yield


@pytest.fixture(scope="session", autouse=True)
def disks_have_room() -> Iterator[None]:
    """Have `workbench doctor` find the same disk on every machine; a test of a full one fills it itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adapter_workbench.experiments.engine.diagnosis.free_bytes", lambda folder: 100 * 10**9)
        yield


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Run ``workbench …`` in an empty folder; return exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    for name in ("WORKBENCH_HOME", "WORKBENCH_TASKS", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments: str) -> tuple[int, str, str]:
        from adapter_workbench.experiments.cli import main

        monkeypatch.setattr(sys, "argv", ["workbench", *arguments])
        try:
            main()
            code = 0
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def recipe(bert: Path, tmp_path: Path) -> Path:
    """A recipe over tiny tasks, with one seed and one epoch, in the folder that commands run in."""
    from tests.streams import write_recipe

    path = write_recipe(tmp_path, bert)
    path.write_text(path.read_text().replace("seeds: [0, 1]", "seeds: [0]").replace("epochs: 4", "epochs: 1"))
    return path


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment, in which programs find the commands that lie beside its Python."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", **more}


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of 2 layers × 32 with its tokenizer, as a folder."""
    return write_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LLaMA of 2 layers × 32 with a tokenizer, as a folder."""
    return write_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="session")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A T5 of 2 + 2 layers × 32 with a tokenizer, as a folder."""
    return write_t5(tmp_path_factory.mktemp("t5"))


@pytest.fixture(scope="session")
def backbone(bert: Path) -> Backbone:
    """The tiny BERT, opened."""
    from adapter_workbench.workbench.backbone.names import open_backbone

    return open_backbone(str(bert))


@pytest.fixture(scope="session")
def task() -> Task:
    """Animals against fruit: learnable from single words."""
    return make_task("animals", SUBJECTS, FRUITS)


@pytest.fixture(scope="session")
def other_task() -> Task:
    """The first half of all nouns against the second: learning it disturbs the first task."""
    return make_task("halves", [*SUBJECTS[:4], *FRUITS[:4]], [*SUBJECTS[4:], *FRUITS[4:]])


@pytest.fixture(scope="session")
def copying() -> Task:
    """Say the animal that stands in the text: a causal-lm task that two layers can learn."""
    return make_copying("copying")


def make_copying(name: str) -> Task:
    """Return the task :func:`copying` under a name."""
    import random

    generator = random.Random("copying")

    def rows(split: str, count: int) -> Dataset:
        answers = [generator.choice(SUBJECTS) for _ in range(count)]
        texts = [f"the {answer} {generator.choice(FILLERS)}" for answer in answers]
        columns = {"id": [f"{split}-{i}" for i in range(count)], "text": texts, "answer": answers}
        return Dataset.from_dict({**columns, "metric": ["exact-match"] * count, "max_new_tokens": [4] * count})

    splits = {"train": rows("train", 96), "validation": rows("validation", 16), "test": rows("test", 24)}
    return Task(name, "causal-lm", (), splits, f"fingerprint of {name}", "made in tests", "CC0-1.0")


def toy(kind: str, train: int = 48) -> Task:
    """Return a task of this kind that a tiny model learns from single words; all are about the animals in a text."""
    import random

    from datasets import ClassLabel, Features, List

    if kind == "classification":
        return make_task("animals", SUBJECTS, FRUITS, train)
    generator = random.Random(f"toy {kind}")
    tags = ("O", "B-ANIMAL", "I-ANIMAL")

    def rows(split: str, count: int) -> Dataset:
        nouns = [[SUBJECTS, FRUITS, [*FILLERS]][index % 3] for index in range(count)]
        picked = [generator.choice(choices) for choices in nouns]
        texts = [f"{generator.choice(FILLERS)} {noun} {generator.choice(FILLERS)}" for noun in picked]
        columns = {"id": [f"{split}-{i}" for i in range(count)], "text": texts}
        kinds = [(noun in SUBJECTS, noun in FRUITS) for noun in picked]
        if kind == "multilabel":
            columns["labels"] = [[label for label, given in enumerate(flags) if given] for flags in kinds]
        elif kind == "regression":
            columns["value"] = [3.0 + animal - fruit for animal, fruit in kinds]
            columns |= {"centre": [0.0] * count, "spread": [1.0] * count}
        elif kind == "token-classification":
            columns["tags"] = [[0, int(animal), 0] for animal, _ in kinds]
        else:
            columns["answer"] = ["cat" if animal else "apple" for animal, _ in kinds]
            columns |= {"metric": ["exact-match"] * count, "max_new_tokens": [3] * count}
        dataset = Dataset.from_dict(columns)
        if kind == "token-classification":
            return dataset.cast(Features({**dataset.features, "tags": List(ClassLabel(names=list(tags)))}))
        return dataset

    named = {"multilabel": ("animal", "fruit"), "token-classification": tags}.get(kind, ())
    splits = {"train": rows("train", train), "validation": rows("validation", 12), "test": rows("test", 12)}
    return Task(f"toy-{kind}", kind, named, splits, f"fingerprint of toy {kind}", "made in tests", "CC0-1.0")


@pytest.fixture(scope="session")
def budget() -> Budget:
    """Enough for the tiny task, in fp32 so that numbers do not hang on the processor."""
    return Budget(epochs=4, batch_size=8, max_length=16, precision="fp32")


def make_task(name: str, first: list[str], second: list[str], size: int = 64) -> Task:
    """Return a balanced task: each text is a noun of its class among fillers."""
    import random

    generator = random.Random(name)

    def rows(split: str, count: int) -> Dataset:
        labels = [index % 2 for index in range(count)]
        texts = [
            " ".join([generator.choice(FILLERS), generator.choice([first, second][label]), generator.choice(FILLERS)])
            for label in labels
        ]
        return Dataset.from_dict({"id": [f"{split}-{i}" for i in range(count)], "text": texts, "label": labels})

    splits = {"train": rows("train", size), "validation": rows("validation", 16), "test": rows("test", 24)}
    return Task(
        name, "classification", ("first", "second"), splits, f"fingerprint of {name}", "made in tests", "CC0-1.0"
    )
