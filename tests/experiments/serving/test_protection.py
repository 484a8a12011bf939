"""What is refused over HTTP: too much, too late, without the key, or wrong; each with one message."""

from __future__ import annotations

import json
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from threading import Event
from typing import Any

import pytest

from adapter_workbench.experiments.answers.http_server import address
from adapter_workbench.experiments.answers.http_server.current import Current
from adapter_workbench.experiments.answers.http_server.limits import Limits
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.answering.adapter_set import AdapterSet
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import UnknownNameError
from adapter_workbench.workbench.machine.batch_queue import Batching
from adapter_workbench.workbench.methods.answer_rows import AnswerRow
from tests.experiments.serving.conftest import GENERATING, TEXTS, Serve, wait_for
from tests.messages import lacks
from tests.patience import PATIENCE

ASKED = {"texts": ["the cat"], "task": "animals"}
JSON, PLAIN = {"Content-Type": "application/json"}, "application/jsonlines"  # which fastapi does not read
KEY = b"a-key-of-some-length"


def test_a_full_queue_refuses_and_says_when_to_come_again(serve: Serve, held: tuple[Event, Event]) -> None:
    client, _ = serve("animals", batching=Batching(seconds=0, waiting=2))
    begun, go = held
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(client.post, "/predict", json=ASKED)
        assert begun.wait(PATIENCE)
        second = pool.submit(client.post, "/predict", json={**ASKED, "texts": TEXTS[:2]})
        wait_for(client, 2)
        refused = client.post("/predict", json=ASKED)
        go.set()
        assert (first.result().status_code, second.result().status_code) == (200, 200)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert refused.json()["detail"].startswith("2 texts are waiting")
    assert client.post("/predict", json=ASKED).status_code == 200


def test_a_late_answer_is_given_up(serve: Serve, held: tuple[Event, Event]) -> None:
    client, service = serve("animals", limits=Limits(seconds=0.2), batching=Batching(seconds=0))
    begun, go = held
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/predict", json=ASKED)
        assert begun.wait(PATIENCE)
        late = client.post("/predict", json=ASKED)
        assert (late.status_code, first.result().status_code) == (504, 504)
    assert late.json() == {"detail": "there was no answer within 0.2 seconds"}
    go.set()
    service.close()
    page = service.metrics.page().decode()
    assert "workbench_batch_requests_count 1.0" in page, "the second was never begun"
    assert 'adapter="animals' not in page, "nobody got the answer of the first"


def test_of_an_answer_that_comes_too_late_the_rest_is_not_written(
    serve: Serve, generating: Workspace, held: tuple[Event, Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []

    class Counted(AnswerRow):
        def take(self, *token: Any) -> None:
            super().take(*token)
            written.append(len(self.tokens))

    client, service = serve(at=generating, limits=Limits(seconds=0.2), batching=Batching(seconds=0))
    monkeypatch.setattr("adapter_workbench.workbench.methods.answer_rows.AnswerRow", Counted)
    asked = {"texts": ["a plum"], "task": GENERATING[0]}  # its answer takes all four tokens
    assert client.post("/predict", json=asked).status_code == 504
    held[1].set()
    service.close()
    assert written == [1]


def test_a_page_under_another_name_reaches_no_server_of_this_machine(serve: Serve) -> None:
    with address.bind("127.0.0.1", 0) as bound:
        client, _ = serve("animals", hosts=address.names_of(bound))
    named = client.get("/health", headers={"Host": "evil.example"})
    assert named.json()["detail"].startswith("this server answers under these names alone: 127.0.0.1, localhost")
    for host, code in (("evil.example:8080", 400), ("localhost:8080", 200), ("127.0.0.1:1", 200), ("[::1]:8080", 200)):
        assert client.post("/predict", json=ASKED, headers={"Host": host}).status_code == code, host
    with address.bind("0.0.0.0", 0) as bound:
        assert address.names_of(bound) == ("*",), "it is meant to be reached, by whatever name"


def test_requests_without_the_key_are_refused(serve: Serve) -> None:
    client, _ = serve("animals", key=KEY)
    wrong: list[dict[str, str]] = [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {KEY.decode()}"},
        {"Authorization": KEY.decode()},
        {"Authorization": f"Bearer {KEY.decode()}x"},
        {"Authorization": "Bearer "},
        {"X-API-Key": KEY.decode()},
    ]
    paths = [("POST", "/predict"), ("POST", "/reload"), ("GET", "/adapters"), ("GET", "/metrics"), ("GET", "/nowhere")]
    for method, path in [*paths, ("GET", "/openapi.json")]:
        for headers in wrong:
            response = client.request(method, path, json=ASKED, headers=headers)
            assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer"), (path, headers)
    right = {"Authorization": f"Bearer {KEY.decode()}"}
    assert client.post("/predict", json=ASKED, headers=right).status_code == 200
    assert client.get("/adapters", headers=right).status_code == 200
    assert [client.get(path).status_code for path in ("/health", "/ready")] == [200, 200]


CHAT = "/v1/chat/completions"
MALFORMED: dict[str, tuple[Any, int, str]] = {
    "no texts": ({"texts": []}, 422, 'texts is empty; it has to be a list of texts: ["…"]'),
    "no list": ({"texts": "the cat"}, 422, 'texts has to be a list of texts: ["…"]'),
    "a number": (
        {"texts": ["the cat", 3]},
        422,
        'texts[1] has to be a text, or a pair: {"text": "…", "text_pair": "…"}',
    ),
    "half a character": ({"texts": ["\ud800"]}, 422, "texts[0]: half a character at position 0"),
    "another key": (
        {"texts": ["the cat"], "tsk": "animals"},
        422,
        "there is no field 'tsk'. Did you mean task? Available: adapter, stream, task, texts.",
    ),
    "another key of a pair": (
        {"texts": [{"text": "a", "pair": "b"}]},
        422,
        "there is no field 'texts[0].pair'. Did you mean text_pair? Available: text, text_pair.",
    ),
    "half a pair": ({"texts": [{"text_pair": "b"}]}, 422, "texts[0].text is missing; it has to be a text"),
    "no texts at all": ({"task": "animals"}, 422, 'texts is missing; it has to be a list of texts: ["…"]'),
    "a list": (["the cat"], 422, 'the body has to be an object: {"texts": ["…"], "task": "…"}'),
    "nothing": (None, 422, 'the body has to be an object: {"texts": ["…"], "task": "…"}'),
    "no truth": ({"texts": ["a"], "stream": "maybe"}, 422, "stream has to be true or false"),
    "no name": ({"texts": ["a"], "task": 3}, 422, "task has to be the name of a task"),
    "several": (
        {"texts": [3], "task": 3, "adapter": [], "stream": 7, "x": 1},
        422,
        "task has to be the name of a task; adapter has to be an adapter's id, or its beginning; …",
    ),
    "both": ({"texts": ["x"], "task": "animals", "adapter": "animals"}, 422, "name a task or an adapter, not both"),
    "neither": ({"texts": ["the cat"]}, 422, "name the task or the adapter: no router is served"),
    "no such task": (
        {"texts": ["the cat"], "task": "animls"},
        404,
        "there is no task called 'animls'. Did you mean animals?",
    ),
    "no name at all": ({"texts": ["the cat"], "adapter": ""}, 404, "there is no adapter called ''"),
    "no such adapter": ({"texts": ["the cat"], "adapter": "animls"}, 404, "there is no adapter called 'animls'"),
    "pairs": ({"texts": [{"text": "a", "text_pair": "b"}], "task": "animals"}, 422, "animals answers for single texts"),
    "no pairs": ({"texts": ["a"], "task": "pairs"}, 422, "pairs answers for pairs of texts"),
    "some pairs": ({"texts": ["a", {"text": "a", "text_pair": "b"}], "task": "pairs"}, 422, "some texts are pairs"),
    "many": ({"texts": ["a"] * 9, "task": "animals"}, 413, "one request may have 8 texts, and this one has 9"),
    "long": (
        {"texts": ["a" * 101], "task": "animals"},
        413,
        "one text may have 100 characters, and the longest here has 101",
    ),
    "a long pair": (
        {"texts": [{"text": "a" * 60, "text_pair": "b" * 60}], "task": "pairs"},
        413,
        "the longest here has 120",
    ),
    "huge": ({"texts": ["a" * 100_000], "task": "animals"}, 413, "the request has more than"),
}


MANY = 100_000
WRONG_MANY_TIMES: dict[str, tuple[str, Any, str]] = {
    "numbers": ("/predict", {"texts": [1] * MANY}, "one request may have 256 texts, and this one has 100000"),
    "texts": ("/predict", {"texts": [""] * MANY}, "one request may have 256 texts, and this one has 100000"),
    "numbers in the limit": ("/predict", {"texts": [1] * 256}, "texts[0] has to be a text"),
    "fields": ("/predict", dict.fromkeys(map(str, range(MANY))), "100000 fields; there may be 64"),
    "fields of a text": ("/predict", {"texts": [dict.fromkeys(map(str, range(MANY)))]}, "texts[0] has to be a text"),
    "messages": (
        CHAT,
        {"model": "", "messages": [1] * MANY},
        "one chat may have 256 messages, and this one has 1",
    ),
    "parts": (
        CHAT,
        {"model": "", "messages": [1, {"role": "user", "content": [1] * MANY}]},
        "one message may have 256 parts, and this one has 100000",
    ),
    "parts in the limit": (
        CHAT,
        {"model": "", "messages": [{"role": "user", "content": [1] * 256}] * 256},
        "messages[0].content[0] has to be a part of a text",
    ),
    "stops": (CHAT, {"model": "", "messages": [], "stop": [1] * MANY}, "stop: 100000 texts; there may be 16"),
    "fields of a chat": (CHAT, dict.fromkeys(map(str, range(MANY))), "100000 fields; there may be 64"),
}


@pytest.mark.parametrize("kind", WRONG_MANY_TIMES)
def test_what_is_wrong_a_hundred_thousand_times_is_refused_at_once(kind: str, serve: Serve) -> None:
    """A complaint for each would take seconds, in which nobody is answered, and more memory than there may be."""
    client, _ = serve("animals")
    path, body, message = WRONG_MANY_TIMES[kind]
    content = json.dumps(body)
    client.post(path, content=b"{}", headers=JSON)  # what is made once is made now
    tracemalloc.start()
    response = client.post(path, content=content, headers=JSON)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert response.status_code in (400, 413, 422)
    assert message in response.text
    assert len(response.text) < 10_000
    assert peak < 30e6, "the body itself takes some 10 MB at most"


@pytest.mark.parametrize("mistake", MALFORMED)
def test_what_is_wrong_is_said_in_one_message(mistake: str, serve: Serve, held: tuple[Event, Event]) -> None:
    client, _ = serve("animals", "pairs", limits=Limits(texts=8, characters=100))
    body, code, message = MALFORMED[mistake]
    response = client.post("/predict", content=json.dumps(body), headers=JSON)
    assert response.status_code == code, response.text
    assert message in response.json()["detail"]
    assert not held[0].is_set(), "nothing is computed for it"


def test_who_names_no_served_adapter_is_told_the_path_that_lists_them(backbone: Backbone) -> None:
    """And no command: it would run on the server's machine, and list what is not served."""
    adapters: dict[str, Any] = {f"animals-lora-{number:08d}": None for number in range(50)}
    served = Current(AdapterSet(backbone, adapters, ()), {}, {}, backbone.beside())
    with pytest.raises(UnknownNameError) as caught:
        served.job_for(["the cat"], None, "halves")
    assert lacks(str(caught.value.hint), "animals-lora-00000000", "and 10 more", "GET /adapters lists them.") == []
    assert "`" not in str(caught.value.hint)


def test_what_is_no_json_is_said(serve: Serve) -> None:
    client, _ = serve("animals")
    response = client.post("/predict", content=b'{"texts": [', headers=JSON)
    assert (response.status_code, response.json()["detail"]) == (
        422,
        "the body is not JSON, from character 11 on: Expecting value",
    )
    for body in (b'{"texts": ["\xff"]}', b'{"texts": ' + b"[" * 100_000, b'{"texts": [%s]}' % (b"1" * 5000)):
        unreadable = client.post("/predict", content=body, headers=JSON)
        assert (unreadable.status_code, "not JSON in UTF-8" in unreadable.json()["detail"]) == (422, True)
    missing = client.post("/predict", headers=JSON)
    assert missing.json()["detail"].startswith("the body is missing; it has to be an object: ")
    unsaid = client.post("/predict", content=json.dumps(ASKED))
    assert (unsaid.status_code, "Content-Type: application/json" in unsaid.json()["detail"]) == (422, True)
    for said, is_json in (("Application/JSON", True), ("application/ld+json; charset=utf-8", True), (PLAIN, False)):
        broken = client.post("/predict", content=b'{"texts": [', headers={"Content-Type": said})
        assert (broken.status_code, "not JSON, from character 11" in broken.json()["detail"]) == (422, is_json)


def test_a_fault_of_ours_is_no_fault_of_the_others(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client, service = serve("animals", raise_server_exceptions=False)

    def broken(jobs: Any) -> Any:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr("adapter_workbench.experiments.answers.http_server.service.replies", broken)
        response = client.post("/predict", json=ASKED)
    assert (response.status_code, response.json()["detail"].partition(";")[0]) == (500, "the work failed")
    assert client.post("/predict", json=ASKED).status_code == 200
    assert 'workbench_requests_total{code="500",path="/predict"} 1.0' in service.metrics.page().decode()


def test_the_largest_request_within_the_limits_is_taken(serve: Serve) -> None:
    client, _ = serve("animals", limits=Limits(texts=3, characters=2000))
    body = b'{"texts": [%s], "task": "animals"}' % b", ".join([b'"%s"' % (b"\\u00e9" * 2000)] * 3)
    response = client.post("/predict", content=body, headers=JSON)
    assert (response.status_code, len(response.json()["answers"])) == (200, 3)


def test_nothing_is_fetched_from_elsewhere(serve: Serve) -> None:
    client, _ = serve("animals")
    assert [client.get(path).status_code for path in ("/docs", "/redoc")] == [404, 404]
    paths = client.get("/openapi.json").json()["paths"]
    own = {"/", "/predict", "/adapters", "/reload", "/health", "/ready", "/metrics"}
    assert {*paths} == own | {"/v1/chat/completions", "/v1/completions", "/v1/models", "/v1/models/{model}"}


def test_a_page_of_another_origin_changes_nothing(serve: Serve) -> None:
    """A browser sends such a POST without asking first, with the name of the page that makes it."""
    client, _ = serve("animals", base_url="http://localhost:8080")
    foreign = [
        "http://evil.example",
        "https://localhost",
        "http://localhost:8081",
        "null",
        "",
        "http://localhost:8080x",
    ]
    for origin in foreign:
        refused = client.post("/reload", headers={"Origin": origin})
        assert (refused.status_code, "another origin" in refused.json()["detail"]) == (403, True), origin
        assert client.post("/predict", json=ASKED, headers={"Origin": origin}).status_code == 200, "it changes nothing"
        assert client.get("/adapters", headers={"Origin": origin}).status_code == 200
    for origin in ("http://localhost:8080", "https://LOCALHOST:8080"):
        assert client.post("/reload", headers={"Origin": origin}).status_code == 200, "a proxy with TLS is before it"
    assert client.post("/reload").status_code == 200, "programs send none"


def test_a_body_of_two_lengths_is_refused(serve: Serve) -> None:
    client, _ = serve("animals")
    headers = {**JSON, "Content-Length": "40", "Transfer-Encoding": "chunked"}
    refused = client.post("/predict", content=json.dumps(ASKED), headers=headers)
    assert (refused.status_code, refused.headers["Connection"]) == (400, "close")
    assert "Content-Length or is chunked" in refused.json()["detail"]


@pytest.mark.parametrize("length", ["x", "-1", "", "1" * 5000, "１"])
def test_a_length_that_is_no_number_is_refused(serve: Serve, length: str) -> None:
    client, _ = serve("animals")
    headers = {**JSON, "Content-Length": length.encode()}
    refused = client.request("GET", "/health", headers=headers)
    assert refused.status_code == 400
    assert lacks(refused.json()["detail"], "Content-Length", "number of bytes") == []


def test_the_first_page_says_what_this_is_and_where_to_look(serve: Serve) -> None:
    client, _ = serve("animals", "halves", base_url="http://localhost:8080")
    first = client.get("/")
    page = first.json()
    assert (page["name"], page["tasks"], page["router"]) == ("Adapter Workbench", ["animals", "halves"], None)
    assert page["version"] == version("adapter-workbench")
    assert {path.partition(" ")[2] for path in page["paths"]} == {*client.get("/openapi.json").json()["paths"]} - {
        "/"
    } | {"/openapi.json"}
    assert "``" not in first.text, "the markup of docstrings"
    assert page["example"].startswith("curl http://localhost:8080/predict -H 'Content-Type: application/json' -d '{")
    assert first.text.count("\n") > 10, "a person can read it"
    asked = json.loads(page["example"].partition(" -d ")[2].strip("'"))
    assert client.post("/predict", json=asked).status_code == 200


def test_what_is_not_there_is_said_with_what_is(serve: Serve) -> None:
    client, _ = serve("animals")
    for method, path, code, message in (
        ("GET", "/predct", 404, "there is no path /predct; GET / lists those that there are"),
        ("GET", "/predict", 405, "/predict takes POST, not GET; GET / lists what there is"),
    ):
        response = client.request(method, path)
        assert (response.status_code, response.json()) == (code, {"detail": message})
