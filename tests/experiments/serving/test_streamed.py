"""A generated answer is sent as it comes; the stream ends with what the same request gets without a stream."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adapter_workbench.experiments.answers.http_server.current import Reply
from adapter_workbench.experiments.answers.http_server.limits import Limits
from adapter_workbench.experiments.answers.http_server.streamed import answer_parts
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.machine.batch_queue import Batching
from adapter_workbench.workbench.methods.task import Task
from tests.experiments.serving.conftest import TEXTS, Serve, train, wait_for
from tests.messages import lacks
from tests.patience import PATIENCE

ANIMALS = {"texts": ["the cat often"], "task": "animals"}


def events(client: TestClient, question: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    with client.stream("POST", "/predict", json={**question, "stream": True}) as response:
        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith("text/event-stream")
        whole = "".join(response.iter_text())
    for event in whole.removesuffix("\n\n").split("\n\n"):
        name, data = event.split("\n")
        yield name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_the_parts_lead_to_the_answer(serve: Serve, tmp_path: Path, llama: Path, copying: Task) -> None:
    workspace = Workspace(tmp_path / "generated")
    train(workspace, open_backbone(str(llama)), copying)
    client, _ = serve(at=workspace)
    seen = 0
    for text in TEXTS:
        question = {"texts": [text], "task": "copying"}
        *streamed, (last, answers) = events(client, question)
        assert (last, answers) == ("answers", client.post("/predict", json=question).json())
        assert {name for name, _ in streamed} <= {"text"}
        parts = [data["text"] for _, data in streamed]
        assert answers["answers"][0]["label"].startswith("".join(parts))
        seen += len(parts)
    assert seen, "some of it comes before the end"


def test_what_is_not_generated_comes_at_once(serve: Serve) -> None:
    client, _ = serve("animals")
    assert list(events(client, ANIMALS)) == [("answers", client.post("/predict", json=ANIMALS).json())]


def test_a_stream_answers_one_text(serve: Serve) -> None:
    client, _ = serve("animals")
    response = client.post("/predict", json={**ANIMALS, "texts": TEXTS, "stream": True})
    assert response.status_code == 422
    assert lacks(response.json()["detail"], "one text", str(len(TEXTS))) == []


def test_a_full_queue_refuses_before_a_stream_begins(serve: Serve, held: tuple[Event, Event]) -> None:
    client, _ = serve("animals", batching=Batching(seconds=0, waiting=1))
    begun, go = held
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(client.post, "/predict", json=ANIMALS)
        assert begun.wait(PATIENCE)
        second = pool.submit(lambda: list(events(client, ANIMALS)))
        wait_for(client, 1)
        assert client.post("/predict", json={**ANIMALS, "stream": True}).status_code == 429
        go.set()
        assert first.result().status_code == 200
        assert second.result()[-1][0] == "answers"


def test_a_stream_that_nobody_begins_to_read_is_given_up(serve: Serve, held: tuple[Event, Event]) -> None:
    """As where its client goes before the response has begun."""
    _, service = serve("animals", batching=Batching(seconds=0))
    begun, go = held

    async def asked() -> list[object]:
        job = service.current.job_for(["a plum"], "animals", None)
        read = answer_parts(service, job, Limits())
        assert begun.wait(PATIENCE)
        unread = answer_parts(service, job, Limits())
        del unread
        gc.collect()
        go.set()
        return [part async for part in read]

    assert isinstance(asyncio.run(asked())[-1], Reply)
    service.close()
    answered = [line for line in service.metrics.page().decode().splitlines() if line.startswith("workbench_texts_tot")]
    assert [line.rpartition(" ")[2] for line in answered] == ["1.0"]


def test_a_late_stream_ends_with_what_is_wrong(serve: Serve, held: tuple[Event, Event]) -> None:
    client, service = serve("animals", limits=Limits(seconds=0.2), batching=Batching(seconds=0))
    assert list(events(client, ANIMALS)) == [("error", {"detail": "there was no answer within 0.2 seconds"})]
    held[1].set()
    service.close()
    page = service.metrics.page().decode()
    assert "workbench_batch_requests_count 1.0" in page
    assert 'adapter="animals' not in page, "nobody got its answer"


def test_a_stream_that_fails_ends_with_what_is_wrong(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = serve("animals")

    def broken(jobs: Any) -> Any:
        raise RuntimeError("out of memory")

    monkeypatch.setattr("adapter_workbench.experiments.answers.http_server.service.replies", broken)
    assert list(events(client, ANIMALS)) == [("error", {"detail": "the work failed; the server's log says why"})]
