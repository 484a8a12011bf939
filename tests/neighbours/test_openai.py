"""OpenAI's own client for Python asks the server: chats, streams, models, completions and what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.answering.predictor import OpenedAdapter
from tests.neighbours.compared import Compared, keep
from tests.neighbours.environments import environment
from tests.served import Server, chatting_workspace, opened_by_task, own_answer, serving

pytestmark = pytest.mark.neighbour

TASKS = ("copying-0", "copying-1+é@b=c")  # names as tasks may have them
TEXTS = ["the cat often", "a plum", "this very sheep quite", "one"]
KEY = "0123456789abcdef"
PACKAGE = "openai==3.57.0"
ASKS = """
import json, sys
import openai

url, key, tasks, texts = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), json.loads(sys.argv[4])
client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)  # waits as long as the client does
nothing = dict(
    frequency_penalty=0, presence_penalty=0, logit_bias={}, n=1, seed=7, temperature=0, top_p=1, user="a test",
)
of_chats = dict(
    functions=[], logprobs=False, metadata={}, modalities=["text"], parallel_tool_calls=True,
    reasoning_effort="none",
    response_format={"type": "text"}, service_tier="auto", store=False, tool_choice="none", tools=[],
    verbosity="medium",
)
said = {"chats": [], "streams": [], "turns": [], "completions": [], "streamed completions": [], "weighed": []}
for task in tasks:
    for text in texts:
        turn = {"role": "user", "content": text}
        answer = client.chat.completions.create(model=task, messages=[turn], **nothing, **of_chats)
        said["chats"].append(answer.choices[0].message.content)
        stream = client.chat.completions.create(
            model=task, messages=[turn], stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
        said["streams"].append("".join(c.choices[0].delta.content or "" for c in chunks if c.choices))
        assert chunks[-1].usage == answer.usage, (chunks[-1].usage, answer.usage)
        before = [{"role": "developer", "content": "very"}, {"role": "user", "content": "one"}]
        first = client.chat.completions.create(model=task, messages=before, max_completion_tokens=1)
        turns = [*before, first.choices[0].message, turn]
        dumped = [*before, first.choices[0].message.model_dump(), turn]
        again = [client.chat.completions.create(model=task, messages=chat) for chat in (turns, dumped)]
        assert again[0].choices == again[1].choices
        said["turns"].append([first.choices[0].message.content, again[0].choices[0].message.content])
    both = client.completions.create(model=task, prompt=texts, max_tokens=4, best_of=1, suffix="", **nothing)
    said["completions"] += [choice.text for choice in both.choices]
    for text in texts:
        parts = list(client.completions.create(model=task, prompt=text, max_tokens=4, stream=True))
        said["streamed completions"].append("".join(part.choices[0].text for part in parts))
        weighed = client.completions.create(model=task, prompt=text, max_tokens=3, logprobs=2, echo=True)
        said["weighed"].append(weighed.choices[0].logprobs.model_dump())
said["models"] = {model.id: model.model_dump() for model in client.models.list()}
said["retrieved"] = {name: client.models.retrieve(name).model_dump() for name in said["models"]}
errors = {
    "model": lambda: client.chat.completions.create(model="nobody", messages=[turn]),
    "retrieved": lambda: client.models.retrieve("no/body"),
    "field": lambda: client.chat.completions.create(model=tasks[0], messages=[turn], temperature=0.7),
    "long": lambda: client.completions.create(model=tasks[0], prompt="a" * 20_001),
    "key": lambda: client.with_options(api_key="wrong").models.list(),
}
said["errors"] = {}
for name, ask in errors.items():
    try:
        ask()
    except openai.APIStatusError as error:
        said["errors"][name] = [type(error).__name__, error.status_code, error.code, error.param, error.body["message"]]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return chatting_workspace(tmp_path_factory.mktemp("asked"), TASKS)


@pytest.fixture(scope="module")
def server(workspace: Workspace) -> Iterator[Server]:
    with serving("workbench serve", workspace, KEY) as server:
        yield server


@pytest.fixture(scope="module")
def opened(workspace: Workspace) -> dict[str, OpenedAdapter]:
    return opened_by_task(workspace)


@pytest.fixture(scope="module")
def said(server: Server) -> dict[str, Any]:
    """What the client was told."""
    heard: dict[str, Any] = json.loads(_openai().run(ASKS, server.url, KEY, json.dumps(TASKS), json.dumps(TEXTS)))
    return heard


def _openai() -> Any:
    return environment("openai", PACKAGE)


def _row(what: str, cases: int, difference: float | None = None) -> Compared:
    return Compared("openai (Python)", _openai().version("openai"), "asks", what, cases, difference)


def test_chats_are_answered_as_predict_answers(said: dict[str, Any], opened: dict[str, OpenedAdapter]) -> None:
    expected = [own_answer(opened[task], text) for task in TASKS for text in TEXTS]
    assert said["chats"] == said["streams"] == expected
    assert len({*expected}) > 2, "else nothing is shown"
    pairs = []
    for task in TASKS:
        for text in TEXTS:
            turns = ({"role": "system", "content": "very"}, {"role": "user", "content": "one"})
            first = own_answer(opened[task], "one", earlier=turns[:1], tokens=1)
            whole = (*turns, {"role": "assistant", "content": first})
            pairs.append([first, own_answer(opened[task], text, earlier=whole)])
    assert said["turns"] == pairs
    keep(_row("answers of chats, whole, streamed and with earlier turns", 3 * len(expected)))


def test_completions_are_those_of_the_adapter_s_own_model(
    said: dict[str, Any], opened: dict[str, OpenedAdapter]
) -> None:
    assert said["completions"] == said["streamed completions"]
    differences = []
    for (task, text), logs in zip([(task, text) for task in TASKS for text in TEXTS], said["weighed"], strict=True):
        model, tokenizer = opened[task].model, opened[task].backbone.tokenizer
        ids = tokenizer.convert_tokens_to_ids(logs["tokens"])
        read = [2, *tokenizer(text, add_special_tokens=False)["input_ids"]]
        assert ids[: len(read)] == read
        inputs = torch.tensor([ids])
        with torch.inference_mode():
            states = model.states(input_ids=inputs, attention_mask=torch.ones_like(inputs))
            expected = model.head(states[0]).log_softmax(dim=-1)
        for place, token in enumerate(ids[1:]):
            differences.append(abs(float(expected[place, token]) - logs["token_logprobs"][place + 1]))
            top = float(expected[place].max())
            differences.append(abs(top - max(logs["top_logprobs"][place + 1].values())))
        assert [int(row.argmax()) for row in expected[len(read) - 1 : -1]] == ids[len(read) :]
        words = tokenizer.decode([token for token in ids[len(read) :] if token != tokenizer.eos_token_id])
        assert said["completions"][len(TEXTS) * TASKS.index(task) + TEXTS.index(text)].startswith(words)
    assert max(differences) < 1e-5
    keep(_row("log-probabilities of completions", len(differences), max(differences)))


def test_models_are_found_by_their_names(said: dict[str, Any], workspace: Workspace) -> None:
    assert said["models"] == said["retrieved"]
    assert {*said["models"]} == {*TASKS, "animals", *workspace.adapters.ids()}


def test_what_is_wrong_is_the_client_s_own_exception(said: dict[str, Any]) -> None:
    errors = {name: tuple(error[:4]) for name, error in said["errors"].items()}
    assert errors == {
        "model": ("NotFoundError", 404, "model_not_found", "model"),
        "retrieved": ("NotFoundError", 404, "model_not_found", "model"),
        "field": ("BadRequestError", 400, None, None),
        "long": ("APIStatusError", 413, None, None),
        "key": ("AuthenticationError", 401, "invalid_api_key", None),
    }
    assert "most likely answer" in said["errors"]["field"][4]
    keep(_row("exceptions for what is refused", len(errors)))
