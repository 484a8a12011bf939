"""Clients of OpenAI's interface are answered by adapters: whole and in parts, with its limits and in its errors."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adapter_workbench.experiments.answers.http_server.current import Reply
from adapter_workbench.experiments.answers.http_server.service import Service
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.answering.predictor import Answer
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.machine.batch_queue import Batching
from adapter_workbench.workbench.methods.kind import Written
from tests.experiments.serving.conftest import GENERATING as NAMES
from tests.experiments.serving.conftest import TEXTS, Serve
from tests.messages import lacks

CHAT = "/v1/chat/completions"


def said(text: str, model: str = NAMES[0], **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def streamed(client: TestClient, chat: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of a stream, which ends as OpenAI's do."""
    with client.stream("POST", CHAT, json={**chat, "stream": True}) as response:
        assert response.status_code == 200, response.read()
        *events, done, rest = "".join(response.iter_text()).split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [json.loads(event.removeprefix("data: ")) for event in events]


def label(client: TestClient, text: str, task: str = NAMES[0]) -> str:
    response = client.post("/predict", json={"texts": [text], "task": task})
    answer: str = response.json()["answers"][0]["label"]
    return answer


def test_a_chat_gets_what_predict_says_whole_and_in_parts(serve: Serve, generating: Workspace) -> None:
    client, _ = serve(at=generating)
    for text in TEXTS:
        whole = client.post(CHAT, json=said(text)).json()
        (choice,) = whole["choices"]
        assert (whole["object"], choice["index"], choice["message"]["role"]) == ("chat.completion", 0, "assistant")
        assert choice["message"]["content"] == label(client, text)
        usage = whole["usage"]
        assert usage["prompt_tokens"] + usage["completion_tokens"] == usage["total_tokens"]
        first, *parts, last, counted = streamed(client, said(text, stream_options={"include_usage": True}))
        assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        joined = "".join(part["choices"][0]["delta"]["content"] for part in parts)
        assert joined == choice["message"]["content"]
        assert {event["object"] for event in (first, *parts, last)} == {"chat.completion.chunk"}
        assert last["choices"][0] == {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
        assert (counted["choices"], counted["usage"]) == ([], usage)


def test_streams_of_several_adapters_share_a_batch_and_none_gets_anothers_words(
    serve: Serve, generating: Workspace
) -> None:
    client, service = serve(at=generating, batching=Batching(seconds=1.0, rows=6))
    asked = [(text, name) for text in TEXTS[:2] for name in NAMES]
    with ThreadPoolExecutor(len(asked)) as pool:
        events = list(pool.map(lambda pair: streamed(client, said(*pair)), asked))
    assert _batches(service) == 1, "one batch for all of them"
    answers = [
        "".join(event["choices"][0]["delta"].get("content") or "" for event in of_one if event["choices"])
        for of_one in events
    ]
    plain, _ = serve(at=generating)  # where no answer waits for others
    assert answers == [label(plain, text, name) for text, name in asked]


def _batches(service: Service) -> int:
    page = service.metrics.page().decode()
    (line,) = (line for line in page.splitlines() if line.startswith("workbench_batch_texts_count"))
    return int(float(line.split()[1]))


def test_an_answer_stops_and_is_cut_where_it_was_asked_to(serve: Serve, generating: Workspace) -> None:
    client, _ = serve(at=generating)
    text = next(text for text in TEXTS if label(client, text))
    whole = label(client, text)
    cut = client.post(CHAT, json=said(text, max_tokens=1)).json()
    assert cut["choices"][0]["finish_reason"] == "length"
    assert cut["usage"]["completion_tokens"] == 1
    assert whole.startswith(cut["choices"][0]["message"]["content"])
    for stop in (whole, [whole[-1], "never"]):
        ended = client.post(CHAT, json=said(text, stop=stop)).json()["choices"][0]
        parts = streamed(client, said(text, stop=stop))
        written = "".join(part["choices"][0]["delta"].get("content") or "" for part in parts)
        wanted = whole.partition(whole if stop == whole else whole[-1])[0].strip()
        assert (ended["message"]["content"], ended["finish_reason"], written) == (wanted, "stop", wanted)


def test_what_is_null_is_left_out(serve: Serve, generating: Workspace) -> None:
    client, _ = serve(at=generating)
    names = ("stream", "stream_options", "max_tokens", "max_completion_tokens", "stop", "temperature", "top_p", "n")
    nothing = dict.fromkeys((*names, "seed", "user"))
    plain, null = (client.post(CHAT, json=said("the cat", **more)).json() for more in ({}, nothing))
    assert null["choices"] == plain["choices"]


def test_models_are_adapters_and_the_tasks_that_they_answer_for(serve: Serve, generating: Workspace) -> None:
    client, _ = serve(at=generating)
    listed = client.get("/v1/models").json()
    assert listed["object"] == "list"
    by_name = {model["id"]: model for model in listed["data"]}
    assert by_name.keys() == {*NAMES, *generating.adapters.ids()}
    for name, model in by_name.items():
        answer = client.post(CHAT, json=said("the cat", name)).json()
        assert answer["model"] == model["root"]


def test_a_classifier_answers_a_chat_with_its_label(serve: Serve) -> None:
    client, _ = serve("animals")
    answer = client.post(CHAT, json=said(TEXTS[0], "animals")).json()
    assert answer["choices"][0]["message"]["content"] == label(client, TEXTS[0], "animals")
    assert answer["usage"] is None
    turns = [{"role": "system", "content": "b"}, *said("a")["messages"]]
    refused = client.post(CHAT, json={"model": "animals", "messages": turns})
    assert refused.status_code == 400
    assert lacks(refused.json()["error"]["message"], "animals", "one message") == []


WRONG: dict[str, tuple[dict[str, Any], int, list[str]]] = {
    "no such model": (said("a", "nobody"), 404, ["no model called 'nobody'", "copying-0", "GET /v1/models lists them"]),
    "no message": ({"model": NAMES[0], "messages": []}, 400, ["messages is empty"]),
    "no model": ({"messages": said("a")["messages"]}, 400, ["model is missing"]),
    "an assistant's turn last": (
        {"model": NAMES[0], "messages": [{"role": "assistant", "content": "a"}]},
        400,
        ["last", "assistant"],
    ),
    "another role": ({"model": NAMES[0], "messages": [{"role": "tool", "content": "a"}]}, 400, ["messages[0].role"]),
    "a tool's call": (
        {"model": NAMES[0], "messages": [{"role": "assistant", "content": "a", "tool_calls": [{}]}]},
        400,
        ["messages[0].tool_calls", "only role and content"],
    ),
    "an image": (
        {"model": NAMES[0], "messages": [{"role": "user", "content": [{"type": "image_url", "text": "a"}]}]},
        400,
        ["messages[0].content[0].type"],
    ),
    "drawn answers": (said("a", temperature=0.7), 400, ["temperature", "0.7"]),
    "several answers": (said("a", n=2), 400, ["n: ", "2"]),
    "no tokens": (said("a", max_tokens=0), 400, ["max_tokens", "at least 1"]),
    "an empty stop": (said("a", stop=""), 400, ["stop", "empty"]),
    "too many stops": (said("a", stop=[*"abcdefghijklmnopq"]), 400, ["stop", "17"]),
    "options of no stream": (
        said("a", stream_options={"include_usage": True}),
        400,
        ["stream_options", "stream: true"],
    ),
    "a typing error": (said("a", max_token=3), 400, ["max_token", "max_tokens"]),
    "a long chat": (said("a" * 20_001), 413, ["20,001"]),
    "a long stop": (said("a", stop="b" * 20_000), 413, ["20,001"]),
    "turns without a chat template": (
        {"model": NAMES[0], "messages": [{"role": "system", "content": "b"}, {"role": "user", "content": "a"}]},
        400,
        ["chat template"],
    ),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_what_is_wrong_is_said_as_openai_says_it(mistake: str, serve: Serve, generating: Workspace) -> None:
    chat, code, named = WRONG[mistake]
    client, _ = serve(at=generating)
    response = client.post(CHAT, json=chat)
    assert response.status_code == code, response.text
    error = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert (error["code"], error["param"]) == (("model_not_found", "model") if code == 404 else (None, None))
    assert lacks(error["message"], *named) == []


def test_a_stream_that_is_refused_has_the_error_of_the_same_request_without_one(
    serve: Serve, generating: Workspace
) -> None:
    chat, code, _ = WRONG["turns without a chat template"]
    client, _ = serve(at=generating)
    whole = client.post(CHAT, json=chat)
    assert whole.status_code == code
    assert streamed(client, chat)[-1] == whole.json(), "which asks for the client's correction, not for another try"


def test_a_stream_does_not_end_with_another_answer_than_it_began_with(
    serve: Serve, generating: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that fails is answered again, request by request, and rounding may choose another token then."""

    async def again(*_: Any) -> AsyncIterator[str | Reply]:
        yield "the c"
        yield Reply([Answer("the dog often", 1.0, "the dog often", Written(1, 4, True))], ["any"])

    client, _ = serve(at=generating)
    monkeypatch.setattr("adapter_workbench.experiments.answers.http_server.chat.answer_parts", again)
    _, part, last = streamed(client, said("a"))
    assert part["choices"][0]["delta"]["content"] == "the c"
    assert last["error"]["type"] == "server_error"
    assert lacks(last["error"]["message"], "another answer", "again") == []


def test_a_missing_key_and_a_failure_have_openais_form_too(
    serve: Serve, generating: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked, _ = serve(at=generating, key=b"0123456789abcdef")
    refused = locked.post(CHAT, json=said("a"))
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
    client, _ = serve(at=generating, raise_server_exceptions=False)

    def broken(jobs: Any) -> Any:
        raise RuntimeError("out of memory")

    monkeypatch.setattr("adapter_workbench.experiments.answers.http_server.service.replies", broken)
    failed = client.post(CHAT, json=said("a"))
    assert (failed.status_code, failed.json()["error"]["type"]) == (500, "server_error")
    assert streamed(client, said("a"))[-1]["error"]["type"] == "server_error"


@pytest.mark.parametrize("asked", [{"stream": True}, {"stop": "b"}])
def test_a_tokenizer_that_panics_fails_one_answer_and_not_the_server(
    asked: dict[str, Any], serve: Serve, generating: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PanicException(BaseException):  # as the bindings of Rust call theirs
        pass

    def panics(*_: Any, **__: Any) -> str:
        raise PanicException("slice index starts at 1 but ends at 0")

    client, service = serve(at=generating)
    with monkeypatch.context() as patched:
        patched.setattr(type(service.current.opened.backbone.tokenizer), "decode", panics)
        response = client.post(CHAT, json=said("the cat", **asked))
    assert lacks(response.text, "cannot write a text", "slice index") == []
    assert service.is_alive
    assert client.post(CHAT, json=said("the cat")).status_code == 200


def test_turns_before_the_last_are_read_where_there_is_a_chat_template(
    serve: Serve, generating: Workspace, llama: Path
) -> None:
    from adapter_workbench.workbench.backbone.prompts import prompts

    tokenizer = open_backbone(str(llama)).tokenizer
    tokenizer.chat_template = "{% for m in messages %}[{{ m.role }}] {{ m.content }} {% endfor %}"
    before = [{"role": "system", "content": "b"}, {"role": "assistant", "content": "c"}]
    assert prompts(["a", "d"], tokenizer, earlier=[before, []]) == ["[system] b [assistant] c [user] a ", "[user] d "]
