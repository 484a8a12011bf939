"""Fields of OpenAI's interface: a value that asks for nothing is accepted, any other is refused with what to do."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.methods.task import Task
from tests.experiments.serving.conftest import GENERATING as NAMES
from tests.experiments.serving.conftest import Serve, train
from tests.messages import lacks

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
TOOL = {"type": "function", "function": {"name": "look"}}
SHARED: dict[str, list[Any]] = {
    "frequency_penalty": [0, 0.0],
    "presence_penalty": [0, 0.0],
    "logit_bias": [{}],
    "n": [1],
    "temperature": [0, 0.0],
    "top_p": [1, 0.5, 0],
    "seed": [0, 7],
    "stop": [[]],
    "stream": [False],
    "stream_options": [{}, {"include_usage": False}, {"include_obfuscation": False}],
    "user": ["", "somebody"],
}
NEUTRAL: dict[str, dict[str, list[Any]]] = {
    CHAT: {
        **SHARED,
        "audio": [],
        "function_call": ["none", "auto"],
        "functions": [[]],
        "logprobs": [False],
        "max_completion_tokens": [99],
        "max_tokens": [99],
        "metadata": [{}, {"of": "a test"}],
        "modalities": [["text"]],
        "moderation": [],
        "parallel_tool_calls": [True, False],
        "prediction": [],
        "prompt_cache_key": ["a"],
        "prompt_cache_options": [{}],
        "prompt_cache_retention": ["in_memory"],
        "reasoning_effort": ["none"],
        "response_format": [{"type": "text"}],
        "safety_identifier": ["a"],
        "service_tier": ["auto", "default"],
        "store": [False],
        "tool_choice": ["none", "auto"],
        "tools": [[]],
        "top_logprobs": [0],
        "verbosity": ["medium"],
        "web_search_options": [],
    },
    COMPLETIONS: {**SHARED, "best_of": [1], "echo": [False], "logprobs": [], "max_tokens": [16], "suffix": [""]},
}
REFUSED: list[tuple[str, str, Any, str]] = [
    *((path, "temperature", 0.7, "adapter is tested by its most likely answer") for path in (CHAT, COMPLETIONS)),
    *((path, "n", 2, "there is one answer") for path in (CHAT, COMPLETIONS)),
    *((path, name, 0.5, "0, or left out") for path in (CHAT, COMPLETIONS) for name in SHARED if "penalty" in name),
    *((path, "logit_bias", {"5": 1, "model": 2}, "empty, or left out") for path in (CHAT, COMPLETIONS)),
    *((path, "seed", "x", "whole number") for path in (CHAT, COMPLETIONS)),
    *((path, "top_p", 2, "from 0 to 1") for path in (CHAT, COMPLETIONS)),
    *((path, "stream", "yes", "true or false") for path in (CHAT, COMPLETIONS)),
    (CHAT, "audio", {"voice": "ash", "format": "wav"}, "answers are texts"),
    (CHAT, "function_call", {"name": "look"}, "no functions are called"),
    (CHAT, "functions", [{"name": "look"}], "no tools are called"),
    (CHAT, "logprobs", True, "POST /v1/completions"),
    (CHAT, "modalities", ["text", "audio"], "answers are texts"),
    (CHAT, "moderation", {"model": "m"}, "nothing is moderated"),
    (CHAT, "prediction", {"type": "content", "content": "a"}, "whatever is predicted"),
    (CHAT, "prompt_cache_options", {"mode": "explicit"}, "no prompts are kept"),
    (CHAT, "prompt_cache_retention", "24h", "no prompts are kept"),
    (CHAT, "reasoning_effort", "high", "without reasoning"),
    (CHAT, "response_format", {"type": "json_object"}, "not held to a form"),
    (CHAT, "response_format", {"type": "json_schema", "json_schema": {"name": "a"}}, "not held to a form"),
    (CHAT, "service_tier", "priority", "one tier"),
    (CHAT, "store", True, "no answers are kept"),
    (CHAT, "stream_options", {"include_obfuscation": True}, "nothing is added"),
    (CHAT, "tool_choice", "required", "no tools are called"),
    (CHAT, "tools", [TOOL], "no tools are called"),
    (CHAT, "top_logprobs", 3, "POST /v1/completions"),
    (CHAT, "verbosity", "low", "as its adapter has learned"),
    (CHAT, "web_search_options", {}, "nothing is searched"),
    (COMPLETIONS, "best_of", 2, "one continuation"),
    (COMPLETIONS, "suffix", "a", "nothing is put into a text"),
    (COMPLETIONS, "logprobs", 6, "from 0 to 5"),
]


def question(path: str, **more: Any) -> dict[str, Any]:
    asked = {"messages": [{"role": "user", "content": "the cat"}]} if path == CHAT else {"prompt": "the cat"}
    return {"model": NAMES[0], **asked, **more}


def said(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what an answer says, without its id and the moment."""
    choices: list[dict[str, Any]] = answer["choices"]
    return choices


@pytest.mark.parametrize("path", NEUTRAL)
def test_what_asks_for_nothing_changes_nothing(path: str, serve: Serve, generating: Workspace) -> None:
    client, _ = serve(at=generating)
    plain = said(client.post(path, json=question(path)).json())
    for name, values in NEUTRAL[path].items():
        for value in [*values, None]:
            response = client.post(path, json=question(path, **{name: value}))
            assert response.status_code == 200, (name, value, response.text)
            assert said(response.json()) == plain, (name, value)
    together = {name: values[0] for name, values in NEUTRAL[path].items() if values}
    assert said(client.post(path, json=question(path, **together)).json()) == plain


@pytest.mark.parametrize(("path", "name", "value", "why"), REFUSED, ids=[f"{row[0]} {row[1]}" for row in REFUSED])
def test_what_is_not_done_is_refused_by_its_name(
    path: str, name: str, value: Any, why: str, serve: Serve, generating: Workspace
) -> None:
    client, _ = serve(at=generating)
    response = client.post(path, json=question(path, **{name: value}))
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert (error["type"], lacks(error["message"], why)) == ("invalid_request_error", []), error
    assert error["message"].startswith(name), error


def test_a_turn_that_was_an_answer_can_be_sent_back(serve: Serve, tmp_path: Any, llama: Any, copying: Task) -> None:
    """Clients keep all that a response has, and a developer's message is what was called a system's."""
    workspace = Workspace(tmp_path / "templated")
    folder = tmp_path / "llama"
    tokenizer = open_backbone(str(llama)).tokenizer
    tokenizer.chat_template = "{% for m in messages %}[{{ m.role }}] {{ m.content }} {% endfor %}"
    import shutil

    shutil.copytree(llama, folder)
    tokenizer.save_pretrained(folder)
    train(workspace, open_backbone(str(folder)), copying)
    client, service = serve(at=workspace)
    empty = {"refusal": None, "annotations": [], "audio": None, "function_call": None, "tool_calls": None, "name": None}
    heard = []
    job_for = type(service.current).job_for

    def noted(current: Any, texts: Any, task: Any, adapter: Any, options: Any) -> Any:
        heard.append([*options.earlier])
        return job_for(current, texts, task, adapter, options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(service.current), "job_for", noted)
        for role in ("developer", "system"):
            turns = [{"role": role, "content": "b"}, {"role": "assistant", "content": "c", **empty}]
            asked = {"model": "copying", "messages": [*turns, {"role": "user", "content": "a"}]}
            response = client.post(CHAT, json=asked)
            assert response.status_code == 200, response.text
    assert heard == [[{"role": "system", "content": "b"}, {"role": "assistant", "content": "c"}]] * 2


def test_a_model_is_found_by_each_of_its_names(serve: Serve, generating: Workspace) -> None:
    client, _ = serve(at=generating)
    listed = client.get("/v1/models").json()["data"]
    for model in listed:
        assert client.get(f"/v1/models/{quote(model['id'], safe='')}").json() == model
    (named,) = (model for model in listed if model["id"].startswith(f"{NAMES[1]}-lora"))
    assert client.get(f"/v1/models/{named['id'][:-2]}").json() == named, "the beginning of an id"
    page = client.get("/metrics").text
    assert 'workbench_requests_total{code="200",path="/v1/models/{model}"}' in page


@pytest.mark.parametrize("name", ["nobody", "a b", "a/b", "ä", "%", "", "copying-0/"])
def test_an_unknown_model_is_404_in_openais_form(name: str, serve: Serve, generating: Workspace) -> None:
    client, _ = serve(at=generating)
    response = client.get(f"/v1/models/{quote(name, safe='')}")
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert lacks(error["message"], f"no model called {name!r}", "GET /v1/models lists them") == []
