"""Adapters are added, replaced and taken out while requests are answered; a server ends in order."""

from __future__ import annotations

import ctypes
import dataclasses
import gc
import json
import shutil
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, get_ident
from typing import Any

import psutil
import pytest
import torch
from fastapi.testclient import TestClient
from safetensors.torch import load_file, save_file

from adapter_workbench.experiments.answers.http_server.current import Current
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.experiments.workspace.champions import Champions
from adapter_workbench.workbench.adapters.name_resolution import NamedChampion, registered_name
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import StoppedError
from adapter_workbench.workbench.machine.batch_queue import Batching
from adapter_workbench.workbench.methods.adaptation import HEAD_FILE
from adapter_workbench.workbench.methods.task import Task
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.experiments.serving.conftest import GENERATING, TEXTS, Serve, train, wait_for
from tests.messages import lacks
from tests.patience import PATIENCE
from tests.workbench.test_foreign_adapters import sealed


@pytest.fixture
def _collecting_nothing() -> Iterator[None]:
    """Collect garbage only where the program asks for it."""
    gc.disable()
    yield
    gc.enable()


def test_what_is_served_can_be_asked_for(serve: Serve) -> None:
    client, _ = serve(router="arrow")
    listing = client.get("/adapters").json()
    assert (listing["router"], len(listing["adapters"])) == ("arrow", 8)
    (adapter,) = (adapter for adapter in listing["adapters"] if adapter["task"] == "pairs")
    assert adapter == {
        "id": adapter["id"],
        "task": "pairs",
        "kind": "classification",
        "method": "lora",
        "pairs": True,
        "labels": ["first", "second"],
        "answers_for_task": True,
    }
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json() == {"status": "ready"}


def test_adapters_come_and_go(serve: Serve, copied: Workspace, backbone: Backbone) -> None:
    client, service = serve(at=copied)
    before = service.current
    (halves,) = (name for name in before.opened.adapters if name.startswith("halves"))
    new = train(copied, backbone, make_task("new", FRUITS, SUBJECTS, 16))
    copied.adapters.remove(halves)
    assert client.post("/predict", json={"texts": TEXTS, "task": "new"}).status_code == 404
    changes = client.post("/reload").json()
    assert (changes["added"], changes["removed"]) == ([new], [halves])
    assert changes["tasks"] == service.current.by_task
    assert client.post("/predict", json={"texts": TEXTS, "task": "new"}).json()["adapter"] == new
    assert client.post("/predict", json={"texts": TEXTS, "task": "halves"}).status_code == 404
    kept = [group for group in service.current.opened.groups if group in before.opened.groups]
    assert [[*group.adapters] for group in kept] == [[before.by_task[name]] for name in ("biases", "bottleneck")], (
        "what has not changed is not opened again"
    )
    assert client.post("/reload").json() | {"tasks": {}} == {"added": [], "removed": [], "tasks": {}}


def test_counts_of_an_adapter_that_is_gone_can_be_read_once_more(serve: Serve, copied: Workspace) -> None:
    """They go with the reload after the one that takes it out: a server for months has more of them than adapters."""
    client, service = serve(at=copied)
    halves = service.current.by_task["halves"]

    def counted() -> int:
        page: str = client.get("/metrics").text
        return page.count(f'adapter="{halves}"')

    assert client.post("/predict", json={"texts": TEXTS, "task": "halves"}).status_code == 200
    copied.adapters.remove(halves)
    series = counted()
    assert client.post("/reload").json()["removed"] == [halves]
    assert counted() == series > 3
    assert client.post("/reload").status_code == 200
    assert counted() == 0
    assert 'adapter="' not in client.get("/metrics").text, "only this one was asked"


def test_a_late_answer_does_not_bring_back_counts_of_an_adapter_that_is_gone(
    serve: Serve, copied: Workspace, held: tuple[Event, Event]
) -> None:
    client, service = serve(at=copied, batching=Batching(seconds=0))
    halves = service.current.by_task["halves"]
    begun, go = held
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(client.post, "/predict", json={"texts": TEXTS, "task": "halves"})
        assert begun.wait(PATIENCE)
        copied.adapters.remove(halves)
        assert service.reload().removed == [halves]
        assert not service.reload().removed
        go.set()
        assert late.result().json()["adapter"] == halves
    assert f'adapter="{halves}"' not in client.get("/metrics").text


def test_one_thread_does_all_reloads(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thread that opens adapters keeps memory of its own."""
    _, service = serve("animals")
    threads: list[int] = []
    select_again = service._selected

    def noted() -> Any:
        threads.append(get_ident())
        return select_again()

    monkeypatch.setattr(service, "_selected", noted)
    for _ in range(2):
        with ThreadPoolExecutor(1) as pool:
            assert not pool.submit(service.reload).result().added
    assert len(threads) == 2
    assert len({*threads, get_ident()}) == 2


def test_two_tokenizers_stay_one_for_answers_and_one_for_what_is_new(serve: Serve, copied: Workspace) -> None:
    client, service = serve(at=copied)
    answering = service.current.opened.backbone
    tokenizers = answering.tokenizer, service.current.beside.tokenizer
    assert tokenizers[0] is not tokenizers[1]
    for name in ("animals", "biases", "bottleneck"):
        copied.adapters.remove(service.current.by_task[name])
        assert client.post("/reload").json()["removed"]
        opened, beside = service.current.opened, service.current.beside
        assert (opened.backbone.tokenizer, beside.tokenizer) == tokenizers
        for group in opened.groups:
            reading = [part.backbone for part in (group, *vars(group).values()) if hasattr(part, "backbone")]
            assert {*map(id, reading)} == {id(answering)}


@pytest.mark.usefixtures("_collecting_nothing")
def test_what_an_old_request_held_on_to_goes_with_a_reload(serve: Serve, copied: Workspace) -> None:
    client, service = serve(at=copied)
    circle: dict[str, Any] = {"before": service.current.opened.adapters[service.current.by_task["halves"]]}
    held = weakref.ref(circle["before"])
    circle["itself"] = circle
    copied.adapters.remove(service.current.by_task["halves"])
    del circle
    assert client.post("/reload").status_code == 200
    assert held() is None


def test_what_cannot_be_served_is_said_and_changes_nothing(serve: Serve, copied: Workspace) -> None:
    client, service = serve(at=copied)
    before = service.current
    damaged = copied.adapters.root / before.by_task["halves"] / "head.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    response = client.post("/reload")
    assert response.status_code == 409
    assert response.json()["detail"].startswith("nothing was changed: ")
    assert "head.safetensors has changed" in response.json()["detail"]
    assert service.current is before
    assert client.post("/predict", json={"texts": TEXTS, "task": "halves"}).status_code == 200


def test_a_tokenizer_is_open_before_a_stream_asks_for_it(serve: Serve) -> None:
    """Also after a reload that changes nothing, and so tries nothing: requests of all clients would wait for it."""
    client, service = serve("animals")
    assert client.post("/reload").status_code == 200
    assert "tokenizer" in vars(service.current.opened.backbone)


def test_an_adapter_on_another_backbone_hinders_no_reload(serve: Serve, copied: Workspace, llama: Path) -> None:
    client, service = serve(at=copied)
    train(copied, open_backbone(str(llama)), make_task("elsewhere", FRUITS, SUBJECTS, 16))
    response = client.post("/reload")
    assert (response.status_code, response.json()["added"]) == (200, []), response.text
    for adapter in service.current.opened.adapters:
        copied.adapters.remove(adapter)
    response = client.post("/reload")
    called = service.current.opened.backbone.name
    assert (response.status_code, lacks(response.json()["detail"], f"no adapter here is on {called!r}")) == (409, [])


def test_each_new_adapter_is_tried(serve: Serve, copied: Workspace, backbone: Backbone) -> None:
    client, service = serve(at=copied)
    before = service.current
    for name in ("new-a", "new-b"):
        folder = copied.adapters.root / train(copied, backbone, make_task(name, FRUITS, SUBJECTS, 16))
    head = load_file(folder / HEAD_FILE)
    save_file({name: torch.full_like(tensor, 3e38) for name, tensor in head.items()}, folder / HEAD_FILE)
    sealed(folder)
    response = client.post("/reload")
    assert (response.status_code, lacks(response.json()["detail"], "nothing was changed", "not a number")) == (409, [])
    assert service.current is before


def test_one_reload_at_a_time(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = serve("animals")
    begun, go, of = Event(), Event(), Current.of

    def slow(*given: Any) -> Current:
        begun.set()
        assert go.wait(PATIENCE)
        return of(*given)

    monkeypatch.setattr(Current, "of", slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/reload")
        assert begun.wait(PATIENCE)
        second = client.post("/reload")
        assert client.post("/predict", json={"texts": TEXTS, "task": "animals"}).status_code == 200
        go.set()
        assert first.result().status_code == 200
    assert (second.status_code, second.json()["detail"]) == (409, "nothing was changed: another reload is running")
    assert client.post("/reload").status_code == 200


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="not glibc")
def test_a_reload_keeps_no_memory_that_it_freed(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread of the server frees 80 MB between blocks that stay; by itself glibc would keep all of it."""
    client, _ = serve("animals")
    assert client.post("/reload").status_code == 200
    stay: list[torch.Tensor] = []
    of = Current.of

    def wasteful(*given: Any) -> Current:
        blocks = [torch.ones(1000) for _ in range(20_000)]
        stay.extend(blocks[::100])
        return of(*given)

    monkeypatch.setattr(Current, "of", wasteful)
    process = psutil.Process()
    before = process.memory_info().rss
    assert client.post("/reload").status_code == 200
    assert (process.memory_info().rss - before) / 1e6 < 40


def test_a_replacement_under_load_loses_nothing(
    serve: Serve, copied: Workspace, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request is answered by the adapter that was served when it came, with that adapter's own answer."""
    client, service = serve("animals", at=copied, batching=Batching(rows=4))
    first = service.current.by_task["animals"]
    by_adapter = {first: client.post("/predict", json={"texts": TEXTS[:1], "task": "animals"}).json()["answers"][0]}
    done = Event()

    def ask(_: int) -> list[dict[str, Any]]:
        received = []
        while not done.is_set():
            response = client.post("/predict", json={"texts": TEXTS[:1], "task": "animals"})
            assert response.status_code == 200, response.text
            received += response.json()["answers"]
        return received

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, number) for number in range(4)]
        try:
            for seed in (1, 2):
                new = train(copied, backbone, make_task("animals", SUBJECTS, FRUITS, 16 * seed + 16), seed=seed)
                crowned = {registered_name(copied.adapters.get(new).manifest): NamedChampion(new)}
                monkeypatch.setattr(Champions, "current", lambda self, crowned=crowned: crowned)
                assert client.post("/reload").json()["added"] == [new]
                response = client.post("/predict", json={"texts": TEXTS[:1], "task": "animals"})
                by_adapter[new] = response.json()["answers"][0]
        finally:
            done.set()
        answers = [answer for future in asking for answer in future.result()]
    assert {answer["adapter"] for answer in answers} >= {*list(by_adapter)[:2]}
    assert len({answer["confidence"] for answer in by_adapter.values()}) == 3, "else nothing is shown"
    for answer in answers:
        assert answer["confidence"] == pytest.approx(by_adapter[answer["adapter"]]["confidence"], abs=1e-5)


def _streamed(client: TestClient) -> tuple[str, str, str]:
    """Return what was asked, the adapter that answered, and its whole answer."""
    chat = {"model": GENERATING[0], "messages": [{"role": "user", "content": TEXTS[0]}], "stream": True}
    with client.stream("POST", "/v1/chat/completions", json=chat) as response:
        assert response.status_code == 200, response.read()
        *events, last, _ = "".join(response.iter_text()).split("\n\n")
    assert last == "data: [DONE]"
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    assert chunks[-1]["choices"][0]["finish_reason"], chunks[-1]
    return "chat", chunks[0]["model"], "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)


def _weighed(client: TestClient) -> tuple[str, str, str]:
    """Return what was asked, the adapter that answered, and how likely it holds a text's tokens to be."""
    asked = {"model": GENERATING[0], "prompt": TEXTS[0], "max_tokens": 1, "echo": True, "logprobs": 0}
    response = client.post("/v1/completions", json=asked)
    assert response.status_code == 200, response.text
    answer = response.json()
    values = answer["choices"][0]["logprobs"]["token_logprobs"][1:]
    return "completion", answer["model"], " ".join(f"{value:.2f}" for value in values)


def test_replacements_while_answers_are_streamed_and_weighed_lose_nothing(
    serve: Serve, generating: Workspace, llama: Path, copying: Task, tmp_path: Path
) -> None:
    """Each answer is whole, and that of the adapter which was served when its request came."""
    shutil.copytree(generating.root, tmp_path / "copied")
    copied = Workspace(tmp_path / "copied")
    client, service = serve(at=copied, batching=Batching(rows=4))
    done, expected = Event(), {_streamed(client), _weighed(client)}

    def ask(number: int) -> list[tuple[str, str, str]]:
        heard = []
        while not done.is_set():
            heard.append((_streamed if number % 2 else _weighed)(client))
        return heard

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, number) for number in range(4)]
        try:
            for seed in (1, 2):
                old = service.current.by_task[GENERATING[0]]
                task = dataclasses.replace(copying, name=GENERATING[0], fingerprint=f"fingerprint {seed}")
                new = train(copied, open_backbone(str(llama)), task, seed=seed)
                copied.adapters.remove(old)
                assert client.post("/reload").json() | {"tasks": {}} == {"added": [new], "removed": [old], "tasks": {}}
                expected |= {_streamed(client), _weighed(client)}
        finally:
            done.set()
        answers = [answer for future in asking for answer in future.result()]
    assert len({said for kind, _, said in expected if kind == "completion"}) == 3, "else nothing is shown"
    assert len({adapter for _, adapter, _ in answers}) == 3
    assert {*answers} <= expected


def test_a_request_that_waits_is_answered_by_what_was_served_when_it_came(
    serve: Serve, copied: Workspace, held: tuple[Event, Event]
) -> None:
    client, service = serve(at=copied, batching=Batching(seconds=0))
    halves = service.current.by_task["halves"]
    begun, go = held
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(client.post, "/predict", json={"texts": TEXTS, "task": "animals"})
        assert begun.wait(PATIENCE)
        waiting = pool.submit(client.post, "/predict", json={"texts": TEXTS, "task": "halves"})
        wait_for(client, len(TEXTS))
        copied.adapters.remove(halves)
        service.reload()
        assert halves not in service.current.opened.adapters
        go.set()
        assert (first.result().status_code, waiting.result().json()["adapter"]) == (200, halves)


def test_a_server_that_stops_finishes_what_it_took_and_refuses_the_rest(
    serve: Serve, held: tuple[Event, Event]
) -> None:
    client, service = serve("animals", batching=Batching(seconds=0))
    begun, go = held
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(client.post, "/predict", json={"texts": TEXTS, "task": "animals"})
        assert begun.wait(PATIENCE)
        waiting = pool.submit(client.post, "/predict", json={"texts": TEXTS, "task": "animals"})
        wait_for(client, len(TEXTS))
        service.stop()
        refused = client.post("/predict", json={"texts": TEXTS, "task": "animals"})
        assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
        assert client.get("/ready").status_code == 503
        assert client.get("/health").status_code == 200
        closing = pool.submit(service.close)
        go.set()
        assert (first.result().status_code, waiting.result().status_code, closing.result()) == (200, 200, None)
    assert client.get("/health").status_code == 503
    with pytest.raises(StoppedError):
        service.submit(service.current.job_for(TEXTS, "animals", None))
