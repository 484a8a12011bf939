"""POST /v1/completions: texts are continued as they are; their tokens are as likely as the adapter's own model says."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch
from fastapi.testclient import TestClient
from tokenizers import processors

from adapter_workbench.experiments.answers.http_server.limits import Limits
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.answering import text_likelihood
from adapter_workbench.workbench.answering.predictor import OpenedAdapter
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.machine.batch_queue import Batching
from adapter_workbench.workbench.methods.stored_model import backbone_of
from adapter_workbench.workbench.methods.task import Task
from tests.experiments.serving.conftest import GENERATING as NAMES
from tests.experiments.serving.conftest import Serve, train, wait_for
from tests.messages import lacks
from tests.patience import PATIENCE

COMPLETIONS = "/v1/completions"
PROMPTS = ["the cat often", "fig", "some very dog this one the horse quite"]


def asked(client: TestClient, prompt: Any, model: str = NAMES[0], **more: Any) -> dict[str, Any]:
    response = client.post(COMPLETIONS, json={"model": model, "prompt": prompt, **more})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


class Own:
    """Each adapter's own model, opened by itself and asked without a server."""

    def __init__(self, workspace: Workspace) -> None:
        stored = [workspace.adapters.get(name) for name in workspace.adapters.ids()]
        self.opened = {
            adapter.manifest.task.name: OpenedAdapter.open(adapter, backbone_of(adapter)) for adapter in stored
        }
        self.tokenizer = next(iter(self.opened.values())).backbone.tokenizer

    def log_probabilities(self, name: str, ids: list[int]) -> torch.Tensor:
        """Return those of every token behind each of ``ids``: (tokens, vocabulary)."""
        model, inputs = self.opened[name].model, torch.tensor([ids])
        with torch.inference_mode():
            states = model.states(input_ids=inputs, attention_mask=torch.ones_like(inputs))
            return model.head(states[0]).log_softmax(dim=-1)

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of a text behind that which the tokenizer puts before one."""
        return [2, *self.tokenizer(text, add_special_tokens=False)["input_ids"]]

    def continued(self, name: str, ids: list[int], limit: int) -> list[int]:
        """Return the likeliest next tokens, up to one that ends a text."""
        new: list[int] = []
        while len(new) < limit and (not new or new[-1] != self.tokenizer.eos_token_id):
            new.append(int(self.log_probabilities(name, [*ids, *new])[-1].argmax()))
        return new


@pytest.fixture(scope="module")
def own(generating: Workspace) -> Own:
    return Own(generating)


@pytest.mark.parametrize("new", [0, 1])
@pytest.mark.parametrize("as_tokens", [False, True])
def test_a_text_s_tokens_are_as_likely_as_the_adapter_s_own_model_says(
    new: int, as_tokens: bool, serve: Serve, generating: Workspace, own: Own
) -> None:
    client, _ = serve(at=generating)
    sent = [own.tokens(prompt) for prompt in PROMPTS] if as_tokens else PROMPTS
    for name in NAMES:
        answer = asked(client, sent, name, echo=True, max_tokens=new, logprobs=2)
        assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
        for prompt, choice in zip(PROMPTS, answer["choices"], strict=True):
            ids = own.tokens(prompt)
            expected, logs = own.log_probabilities(name, ids), choice["logprobs"]
            following = int(expected[-1].argmax())
            whole = [*ids, following][: len(ids) + new]
            assert logs["tokens"] == [own.tokenizer.decode([token]) for token in whole]
            assert (logs["token_logprobs"][0], logs["top_logprobs"][0]) == (None, None)
            by_hand = [float(expected[place, token]) for place, token in enumerate(whole[1:])]
            assert logs["token_logprobs"][1:] == pytest.approx(by_hand, abs=1e-5)
            for place, named in enumerate(logs["top_logprobs"][1:]):
                top = expected[place].topk(2)
                words = {own.tokenizer.decode([token]) for token in (*top.indices.tolist(), whole[place + 1])}
                assert {*named} == words
                assert max(named.values()) == pytest.approx(float(top.values[0]), abs=1e-5)
                is_likeliest = int(top.indices[0]) == whole[place + 1]
                assert (logs["token_logprobs"][place + 1] == max(named.values())) == is_likeliest, "as lm-eval asks it"
            ended = new == 1 and following == own.tokenizer.eos_token_id
            assert choice["finish_reason"] == ("stop" if ended else "length")
        read = sum(len(own.tokens(prompt)) for prompt in PROMPTS)
        usage = {"prompt_tokens": read, "completion_tokens": 3 * new, "total_tokens": read + 3 * new}
        assert answer["usage"] == usage


def test_a_text_is_continued_as_it_is(serve: Serve, generating: Workspace, own: Own) -> None:
    client, _ = serve(at=generating)
    for name in NAMES:
        answer = asked(client, PROMPTS, name, max_tokens=3)
        for prompt, choice in zip(PROMPTS, answer["choices"], strict=True):
            new = own.continued(name, own.tokens(prompt), 3)
            assert choice["text"] == own.tokenizer.decode(new, skip_special_tokens=True)
            assert (choice["finish_reason"] == "stop") == (new[-1] == own.tokenizer.eos_token_id)
            assert choice["logprobs"] is None
        echoed = asked(client, PROMPTS, name, max_tokens=3, echo=True)
        joined = [prompt + choice["text"] for prompt, choice in zip(PROMPTS, answer["choices"], strict=True)]
        assert [choice["text"] for choice in echoed["choices"]] == joined


@pytest.mark.parametrize("echo", [False, True])
def test_a_continuation_s_tokens_are_weighed_too(echo: bool, serve: Serve, generating: Workspace, own: Own) -> None:
    client, service = serve(at=generating)
    prompt, ids = PROMPTS[0], own.tokens(PROMPTS[0])
    new = own.continued(NAMES[1], ids, 4)
    (choice,) = asked(client, prompt, NAMES[1], max_tokens=4, logprobs=1, echo=echo)["choices"]
    expected, whole = own.log_probabilities(NAMES[1], [*ids, *new]), [*ids, *new]
    by_hand = [None, *(float(expected[place, token]) for place, token in enumerate(whole[1:]))]
    start = 0 if echo else len(ids)
    logs = choice["logprobs"]
    assert logs["tokens"] == [own.tokenizer.decode([token]) for token in whole[start:]]
    assert logs["token_logprobs"][1:] == pytest.approx(by_hand[start + 1 :], abs=1e-5)
    assert (logs["token_logprobs"][0] is None) == echo
    assert [len(logs[name]) for name in ("top_logprobs", "text_offset")] == [len(whole) - start] * 2
    assert (logs["text_offset"][0], logs["text_offset"]) == (0, sorted(logs["text_offset"]))
    assert choice["text"] == (prompt if echo else "") + own.tokenizer.decode(new, skip_special_tokens=True)
    page = service.metrics.page().decode()
    counted = [line for line in page.splitlines() if line.startswith("workbench_texts_total")]
    assert [line.rpartition(" ")[2] for line in counted] == ["1.0"], "one text, although it was read twice"


def test_a_stream_has_the_same_continuation_in_parts(serve: Serve, generating: Workspace) -> None:
    client, _ = serve(at=generating)
    for echo in (False, True):
        whole = asked(client, PROMPTS[0], max_tokens=4, echo=echo)
        body = {"model": NAMES[0], "prompt": PROMPTS[0], "max_tokens": 4, "echo": echo, "stream": True}
        with client.stream("POST", COMPLETIONS, json={**body, "stream_options": {"include_usage": True}}) as response:
            *events, done, rest = "".join(response.iter_text()).split("\n\n")
        assert (done, rest) == ("data: [DONE]", "")
        *parts, last, counted = [json.loads(event.removeprefix("data: ")) for event in events]
        (choice,) = whole["choices"]
        assert "".join(part["choices"][0]["text"] for part in parts) == choice["text"]
        assert last["choices"][0]["finish_reason"] == choice["finish_reason"]
        assert (counted["choices"], counted["usage"]) == ([], whole["usage"])
        assert {event["object"] for event in (*parts, last, counted)} == {"text_completion"}


def test_it_stops_and_is_cut_where_it_was_asked_to(serve: Serve, generating: Workspace) -> None:
    client, _ = serve(at=generating)
    prompt = PROMPTS[2]
    whole = asked(client, prompt, max_tokens=4)["choices"][0]["text"]
    words = whole.split()
    assert len(words) > 1, "else nothing is shown"
    (cut,) = asked(client, prompt, max_tokens=1)["choices"]
    assert (cut["text"].strip(), cut["finish_reason"]) == (words[0], "length")
    (stopped,) = asked(client, prompt, max_tokens=4, stop=[words[-1]])["choices"]
    assert (stopped["text"], stopped["finish_reason"]) == (whole.partition(words[-1])[0], "stop")
    (most,) = asked(client, prompt, max_tokens=1000)["choices"]
    assert most["finish_reason"] in ("length", "stop"), "never more than the adapter reads"


def test_prompts_of_several_adapters_are_weighed_in_one_pass(serve: Serve, generating: Workspace, own: Own) -> None:
    client, service = serve(at=generating, batching=Batching(seconds=1.0, rows=6))
    passes: list[int] = []
    (group,) = service.current.opened.groups
    group.body.register_forward_hook(lambda _, __, output: passes.append(len(output.last_hidden_state)))
    pairs = [(prompt, name) for prompt in PROMPTS[:2] for name in NAMES]

    def ask(pair: tuple[str, str]) -> Any:
        return asked(client, *pair, echo=True, max_tokens=1, logprobs=1)["choices"][0]["logprobs"]["token_logprobs"]

    with ThreadPoolExecutor(len(pairs)) as pool:
        told = list(pool.map(ask, pairs))
    assert passes == [6]
    for (prompt, name), values in zip(pairs, told, strict=True):
        ids, expected = own.tokens(prompt), own.log_probabilities(name, own.tokens(prompt))
        by_hand = [float(expected[place, token]) for place, token in enumerate(ids[1:])]
        assert values[1:-1] == pytest.approx(by_hand, abs=1e-5)


@pytest.mark.parametrize("method", ["pfeiffer", "ia3", "prefix", "p-tuning"])
def test_other_methods_weigh_texts_too(method: str, serve: Serve, tmp_path: Path, llama: Path, copying: Task) -> None:
    """Bottlenecks share a body by splitting a batch, IA3 takes turns, and what is put before a text counts."""
    workspace = Workspace(tmp_path / "others")
    for seed in (0, 1):
        task = Task(f"copying-{seed}", "causal-lm", (), copying.splits, f"fingerprint {seed}", "made in tests")
        train(workspace, open_backbone(str(llama)), task, method, seed)
    client, _ = serve(at=workspace, batching=Batching(seconds=0.5, rows=4))
    own = Own(workspace)
    pairs = [(prompt, name) for prompt in PROMPTS[:2] for name in ("copying-0", "copying-1")]

    def ask(pair: tuple[str, str]) -> Any:
        return asked(client, *pair, echo=True, max_tokens=0, logprobs=0)["choices"][0]["logprobs"]["token_logprobs"]

    with ThreadPoolExecutor(len(pairs)) as pool:
        told = list(pool.map(ask, pairs))
    for (prompt, name), values in zip(pairs, told, strict=True):
        ids, expected = own.tokens(prompt), own.log_probabilities(name, own.tokens(prompt))
        by_hand = [float(expected[place, token]) for place, token in enumerate(ids[1:])]
        assert values[1:] == pytest.approx(by_hand, abs=1e-5)
    by_name = {name: values for (prompt, name), values in zip(pairs, told, strict=True) if prompt == PROMPTS[0]}
    assert by_name["copying-0"] != by_name["copying-1"], "else nothing is shown"


WRONG: dict[str, tuple[dict[str, Any], int, list[str]]] = {
    "no prompt": ({}, 400, ["prompt is missing", "a list of texts"]),
    "nothing": ({"prompt": None}, 400, ["prompt: it has to be"]),
    "an empty list": ({"prompt": []}, 400, ["prompt: it has to be", "none of them empty"]),
    "empty tokens": ({"prompt": [[]]}, 400, ["prompt: it has to be"]),
    "mixed": ({"prompt": ["a", [1]]}, 400, ["prompt: it has to be"]),
    "a negative token": ({"prompt": [-1]}, 400, ["prompt: it has to be", "from 0 on"]),
    "a huge token": ({"prompt": [2**70]}, 400, ["prompt: it has to be"]),
    "truth": ({"prompt": [True]}, 400, ["prompt: it has to be"]),
    "half a character": ({"prompt": ["a", "\ud800"]}, 400, ["prompt: half a character"]),
    "an unknown token": ({"prompt": [1, 5000]}, 400, ["no token 5000", "0 to 30"]),
    "a long prompt": ({"prompt": "cat " * 40}, 400, ["41 tokens", "at most 16 with the answer"]),
    "a long text": ({"prompt": "a" * 20_001}, 413, ["20,001"]),
    "a long text to weigh": (
        {"prompt": "cat " * 70, "echo": True, "max_tokens": 1, "logprobs": 1},
        400,
        ["71 tokens", "at most 64"],
    ),
    "many tokens": ({"prompt": [1] * 20_001}, 413, ["one prompt may have 20,000 tokens", "20,001"]),
    "many prompts": ({"prompt": ["a"] * 257}, 413, ["256 prompts", "257"]),
    "no token": ({"prompt": "a", "max_tokens": 0}, 400, ["max_tokens: 0 asks for nothing", "echo: true"]),
    "several in a stream": ({"prompt": ["a", "b"], "stream": True}, 400, ["one prompt, not 2"]),
    "likelihoods in a stream": ({"prompt": "a", "stream": True, "logprobs": 1}, 400, ["logprobs", "without stream"]),
    "tokens echoed in a stream": ({"prompt": [1], "stream": True, "echo": True}, 400, ["echo", "without stream"]),
    "messages": ({"prompt": "a", "messages": []}, 400, ["no field 'messages'"]),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_what_is_wrong_is_said(mistake: str, serve: Serve, generating: Workspace) -> None:
    sent, code, named = WRONG[mistake]
    client, _ = serve(at=generating)
    content = json.dumps({"model": NAMES[0], **sent})
    response = client.post(COMPLETIONS, content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == code, response.text
    error = response.json()["error"]
    assert (error["type"], lacks(error["message"], *named)) == ("invalid_request_error", [])
    assert asked(client, "the cat")["choices"], "others are answered"


def test_a_label_continues_no_text(serve: Serve) -> None:
    client, _ = serve("animals")
    response = client.post(COMPLETIONS, json={"model": "animals", "prompt": "the"})
    assert response.status_code == 400
    message = response.json()["error"]["message"]
    assert lacks(message, "animals continues no text (classification)", "/v1/chat/completions") == []


def test_it_waits_in_the_same_line_and_keeps_the_same_time(
    serve: Serve, generating: Workspace, held: tuple[Event, Event]
) -> None:
    limits, batching = Limits(seconds=0.3), Batching(seconds=0, waiting=1)
    client, service = serve(at=generating, limits=limits, batching=batching)
    begun, go = held
    body = {"model": NAMES[0], "prompt": "the cat", "echo": True, "max_tokens": 1, "logprobs": 1}
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(client.post, COMPLETIONS, json=body)
        assert begun.wait(PATIENCE)
        second = pool.submit(client.post, COMPLETIONS, json=body)
        wait_for(client, 1)
        refused = client.post(COMPLETIONS, json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
        assert (first.result().status_code, second.result().status_code) == (504, 504)
    go.set()
    service.close()
    assert 'adapter="copying' not in service.metrics.page().decode(), "nobody waits for it any more"


def test_what_nobody_waits_for_any_more_is_not_read(
    serve: Serve, generating: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request of many long texts would hold up all others long after its client has gone."""
    client, service = serve(at=generating, limits=Limits(seconds=0.2), batching=Batching(seconds=0))
    monkeypatch.setattr(text_likelihood, "LONGEST", 8)  # tokens that are read together
    read: list[int] = []
    tell = text_likelihood._tell

    def slow(*given: Any) -> Any:
        read.append(len(given[1]))
        Event().wait(0.3)
        return tell(*given)

    monkeypatch.setattr(text_likelihood, "_tell", slow)
    body = {"model": NAMES[0], "prompt": ["the cat a dog"] * 8, "echo": True, "max_tokens": 1, "logprobs": 1}
    assert client.post(COMPLETIONS, json=body).status_code == 504
    service.close()
    assert read == [1]


def test_without_anything_before_a_text_its_first_token_is_its_own(
    serve: Serve, tmp_path: Path, llama: Path, copying: Task
) -> None:
    """As with the tokenizers of GPT-2 and SmolLM2; an empty text has no token then."""
    folder = tmp_path / "bare"
    shutil.copytree(llama, folder)
    tokenizer = open_backbone(str(llama)).tokenizer
    backend: Any = tokenizer.backend_tokenizer
    backend.post_processor = processors.Sequence([])
    tokenizer.save_pretrained(folder)
    workspace = Workspace(tmp_path / "served")
    train(workspace, open_backbone(str(folder)), copying)
    client, _ = serve(at=workspace)
    (choice,) = asked(client, "the cat", "copying", echo=True, max_tokens=0, logprobs=1)["choices"]
    assert choice["logprobs"]["tokens"] == ["the", "cat"]
    response = client.post(COMPLETIONS, json={"model": "copying", "prompt": ""})
    assert (response.status_code, "without any token" in response.text) == (400, True)
