"""EleutherAI's harness asks the server as it asks OpenAI; its scores are those of the adapter's own model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.answering.predictor import OpenedAdapter
from tests.harness_tasks import ROWS, choices_config, words_config, write_task
from tests.neighbours.compared import Compared, keep
from tests.neighbours.environments import environment
from tests.served import Server, chatting_workspace, opened_by_task, own_answer, serving

pytestmark = [pytest.mark.neighbour]
pytest.importorskip("lm_eval", reason="the package lm-eval is not installed")

from adapter_workbench.workbench.answering.harness.language_model import AdaptedLM
from adapter_workbench.workbench.answering.harness.loading import load_tasks, scores, single_scores
from adapter_workbench.workbench.answering.harness.task_files import own_task

TASK = "copying"
KEY = "0123456789abcdef"
ASKS = """
import json, sys
from lm_eval import simple_evaluate

model, arguments, config, chat = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4] == "chat"
found = simple_evaluate(
    model=model, model_args=arguments, tasks=[config], apply_chat_template=chat, bootstrap_iters=0, log_samples=True
)
(name,) = found["results"]
samples = sorted(found["samples"][name], key=lambda sample: sample["doc_id"])
heard = [[answer[0] for answer in sample["resps"]] for sample in samples]
print("\\n" + json.dumps({"results": found["results"][name], "heard": heard}))
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return chatting_workspace(tmp_path_factory.mktemp("asked"), [TASK])


@pytest.fixture(scope="module")
def server(workspace: Workspace) -> Iterator[Server]:
    with serving("workbench serve", workspace, KEY) as server:
        yield server


@pytest.fixture(scope="module")
def opened(workspace: Workspace) -> OpenedAdapter:
    return opened_by_task(workspace)[TASK]


@pytest.fixture(scope="module")
def own(opened: OpenedAdapter) -> AdaptedLM:
    """The adapter's model as the probe `lm-eval` asks it."""
    return AdaptedLM(opened.model, opened.backbone.tokenizer, 8)


def _asked(server: Server, model: str, task: Path, **more: Any) -> dict[str, Any]:
    """Return what the harness found, in an environment with what its models for interfaces need."""
    path = "chat/completions" if "chat" in model else "completions"
    arguments = {"model": TASK, "base_url": f"{server.url}/v1/{path}", "num_concurrent": 4, "max_retries": 1, **more}
    program, config = _harness(), json.dumps(own_task(task))
    chat = "chat" if "chat" in model else "text"
    variables = {"OPENAI_API_KEY": KEY}
    printed = program.run(ASKS, model, json.dumps(arguments), config, chat, seconds=300, **variables)
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


def _harness() -> Any:
    return environment("lm-eval-api", "aiohttp", "tenacity")


def _row(what: str, cases: int, difference: float | None) -> Compared:
    return Compared("lm-eval", _harness().version("lm-eval"), "asks", what, cases, difference)


@pytest.mark.parametrize("tokenized", [True, False])
def test_multiple_choice_is_scored_as_by_the_adapter_s_own_model(
    tokenized: bool, server: Server, opened: OpenedAdapter, own: AdaptedLM, tmp_path: Path
) -> None:
    """With tokens in the request, as the harness sends them by itself, and with texts."""
    task = write_task(tmp_path, choices_config())
    tokenizer = {"tokenizer": opened.adapter.manifest.backbone.name, "add_bos_token": True, "max_length": 64}
    found = _asked(server, "local-completions", task, tokenized_requests=tokenized, **tokenizer)
    tasks = load_tasks([str(task)], None)
    assert {name: found["results"][f"{name},none"] for name in ("acc", "acc_norm")} == scores(own, tasks, None, 0)[
        "which_animal"
    ]
    samples = single_scores(own, tasks, "which_animal", range(ROWS), 0)
    expected = [answer[0] for sample in samples for answer in sample["resps"]]
    heard = [answer for of_row in found["heard"] for answer in of_row]
    assert [greedy for _, greedy in heard] == [greedy for _, greedy in expected]
    assert any(greedy for _, greedy in expected), "else nothing is shown"
    difference = max(abs(value - other) for (value, _), (other, _) in zip(heard, expected, strict=True))
    assert difference < 1e-4
    sent = "tokens" if tokenized else "texts"
    keep(_row(f"local-completions: log-likelihoods of choices, sent as {sent}", len(heard), difference))


def test_texts_are_continued_as_by_the_adapter_s_own_model(
    server: Server, opened: OpenedAdapter, own: AdaptedLM, tmp_path: Path
) -> None:
    task = write_task(tmp_path, words_config())
    tokenizer = {"tokenizer": opened.adapter.manifest.backbone.name, "add_bos_token": True, "max_length": 16}
    found = _asked(server, "local-completions", task, **tokenizer)
    tasks = load_tasks([str(task)], None)
    samples = single_scores(own, tasks, "which_animal_in_words", range(ROWS), 0)
    expected = [[answer[0] for answer in sample["resps"]] for sample in samples]
    assert found["heard"] == expected
    assert len({answer for (answer,) in expected}) > 2, "else nothing is shown"
    keep(_row("local-completions: texts that were continued", len(expected), None))


def test_chats_are_answered_as_predict_answers(server: Server, opened: OpenedAdapter, tmp_path: Path) -> None:
    task = write_task(tmp_path, words_config())
    found = _asked(server, "local-chat-completions", task)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    expected = [own_answer(opened, f"the {row['text']}", tokens=3, stop=("\n",)) for row in rows]
    assert [answer for (answer,) in found["heard"]] == expected
    assert len({*expected}) > 2, "else nothing is shown"
    keep(_row("local-chat-completions: answers", len(expected), None))
