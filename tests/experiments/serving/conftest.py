"""A workspace with an adapter of each kind on one tiny backbone, and servers over it that listen nowhere."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from adapter_workbench.experiments.answers.http_server import service
from adapter_workbench.experiments.answers.http_server.app import application
from adapter_workbench.experiments.answers.http_server.current import Routing
from adapter_workbench.experiments.answers.http_server.limits import Limits
from adapter_workbench.experiments.answers.http_server.metrics import Metrics
from adapter_workbench.experiments.answers.http_server.selection import select
from adapter_workbench.experiments.answers.http_server.service import Service
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.fusion.routing.rejection import Rejection
from adapter_workbench.fusion.routing.routers import ROUTERS
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.machine.batch_queue import Batching
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson, learn
from tests.conftest import FRUITS, SUBJECTS, make_task, toy
from tests.patience import PATIENCE

BUDGET = Budget(epochs=1, batch_size=8, max_length=16, precision="fp32")
BATCHING, LIMITS = Batching(), Limits()
TEXTS = ["the cat often", "a plum", "this very sheep quite really some", "one", "the fig and the cow"]
GENERATING = ("copying-0", "copying-1", "copying-2")  # tasks whose answers are generated
PAIRS = [(text, TEXTS[0]) for text in TEXTS]


def train(workspace: Workspace, backbone: Backbone, task: Task, method: str = "lora", seed: int = 0) -> str:
    """Train an adapter for a task, and return its id."""
    settings = METHODS.get(method).settings(learning_rate=2e-2)
    lesson = Lesson(task, Adaptation(backbone, method, settings, "fp32"), BUDGET, seed)
    return learn(lesson, workspace.adapters, Silent(), task.name).id


def pairs() -> Task:
    """A task about pairs of texts."""
    task = make_task("pairs", SUBJECTS, FRUITS, 16)
    splits = {name: rows.map(lambda row: {"text_pair": row["text"]}) for name, rows in task.splits.items()}
    return Task("pairs", task.kind, task.labels, splits, "fingerprint of pairs", "made in tests", "CC0-1.0")


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory, backbone: Backbone) -> Workspace:
    """An adapter for each of eight tasks: LoRAs, which share a body, a bottleneck, and one that trains biases."""
    served = Workspace(tmp_path_factory.mktemp("served"))
    for task in (make_task("animals", SUBJECTS, FRUITS, 16), make_task("halves", SUBJECTS[:4], SUBJECTS[4:], 16)):
        train(served, backbone, task)
    for kind in ("multilabel", "regression", "token-classification"):
        train(served, backbone, toy(kind, 16))
    train(served, backbone, pairs())
    train(served, backbone, make_task("biases", SUBJECTS, FRUITS, 16), "bitfit")
    train(served, backbone, make_task("bottleneck", FRUITS, SUBJECTS, 16), "pfeiffer")
    return served


@pytest.fixture(scope="session")
def generating(tmp_path_factory: pytest.TempPathFactory, llama: Path, copying: Task) -> Workspace:
    """LoRAs of one language model for three tasks, whose answers to the same text are others."""
    workspace = Workspace(tmp_path_factory.mktemp("generating"))
    for number, name in enumerate(GENERATING):

        def changed(row: dict[str, Any], number: int = number) -> dict[str, Any]:
            return {"answer": SUBJECTS[(SUBJECTS.index(row["answer"]) + number) % len(SUBJECTS)]}

        splits = {split: rows.map(changed) for split, rows in copying.splits.items()}
        task = Task(name, "causal-lm", (), splits, f"fingerprint of {name}", "made in tests")
        train(workspace, open_backbone(str(llama)), task)
    return workspace


Serve = Callable[..., tuple[TestClient, Service]]


@pytest.fixture
def serve(workspace: Workspace) -> Iterator[Serve]:
    """Serve adapters; return a client of the server, and what answers behind it."""
    with ExitStack() as stack:

        def serve(
            *names: str,
            router: str | None = None,
            rejection: Rejection | None = None,
            batching: Batching = BATCHING,
            limits: Limits = LIMITS,
            key: bytes | None = None,
            hosts: Sequence[str] = ("*",),
            at: Workspace = workspace,
            **client: Any,
        ) -> tuple[TestClient, Service]:
            def selected(served: Backbone | None = None) -> Any:
                return select(at, names, None, (), Silent(), served)

            routing = None
            if router:
                routing = Routing(router, ROUTERS.get(router).settings(), at, (), Silent(), rejection)
            first = selected()
            service = Service(first, partial(selected, first.backbone), routing, batching, Metrics())
            return stack.enter_context(TestClient(application(service, limits, key, hosts), **client)), service

        yield serve


def wait_for(client: httpx.Client, waiting: int) -> None:
    """Return when so many texts wait for their batch."""
    for _ in range(100 * int(PATIENCE)):
        if f"workbench_waiting_texts {waiting}.0" in client.get("/metrics").text:
            return
        time.sleep(0.01)
    pytest.fail(f"{waiting} texts have not come to wait")


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> tuple[Event, Event]:
    """Hold up what computes answers: the first event tells that it has begun, the second lets it go on."""
    begun, go, replies = Event(), Event(), service.replies

    def slow(jobs: Any) -> Any:
        begun.set()
        assert go.wait(PATIENCE)
        return replies(jobs)

    monkeypatch.setattr(service, "replies", slow)
    return begun, go


@pytest.fixture
def copied(workspace: Workspace, tmp_path: Path) -> Workspace:
    """A workspace with the same adapters, which can be changed."""
    shutil.copytree(workspace.root, tmp_path / "copied")
    return Workspace(tmp_path / "copied")
