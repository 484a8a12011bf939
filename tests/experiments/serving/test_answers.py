"""Answers over HTTP are those of `workbench predict`, also where requests for several adapters share a batch."""

from __future__ import annotations

import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from fastapi.testclient import TestClient
from safetensors.torch import load_file, save_file

from adapter_workbench.experiments.answers.http_server import service as service_module
from adapter_workbench.experiments.answers.http_server.service import replies_to
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.fusion.routing.rejection import Rejection
from adapter_workbench.fusion.routing.route import RoutingState, route
from adapter_workbench.fusion.routing.routed_texts import RoutedTexts, adapters_for_texts
from adapter_workbench.workbench.answering.predictor import rows_of
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.machine.batch_queue import Batching
from adapter_workbench.workbench.methods.adaptation import HEAD_FILE
from adapter_workbench.workbench.methods.task import Task
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.experiments.serving.conftest import PAIRS, TEXTS, Serve, train
from tests.messages import lacks
from tests.tokenizer_parts import GIVES_UP, GIVING_UP, HIDDEN, RARE, change_tokenizer, split
from tests.workbench.test_foreign_adapters import sealed

TASKS = ("animals", "halves", "toy-multilabel", "toy-regression", "toy-token-classification", "biases", "bottleneck")
TOLERANCE = 1e-5  # of probabilities in float32: sums over a padded batch may be taken in another order


def sent(texts: Any) -> list[Any]:
    """Return texts and pairs as JSON has them."""
    return [{"text": text[0], "text_pair": text[1]} if isinstance(text, tuple) else text for text in texts]


def answered(client: TestClient, texts: Any, **named: str) -> list[dict[str, Any]]:
    response = client.post("/predict", json={"texts": sent(texts), **named})
    assert response.status_code == 200, response.text
    return response.json()["answers"]


def predicted(workspace: Workspace, task: str, texts: Any) -> list[dict[str, Any]]:
    predictions = Workbench(workspace.root, []).predict(task, texts)
    names = ("label", "confidence", "value", "adapter")
    return [{name: getattr(prediction, name) for name in names} for prediction in predictions]


@pytest.fixture(scope="module")
def wanted(workspace: Workspace) -> dict[str, list[dict[str, Any]]]:
    """What predict answers."""
    return {task: predicted(workspace, task, TEXTS) for task in TASKS} | {"pairs": predicted(workspace, "pairs", PAIRS)}


def test_a_request_by_itself_is_answered_as_by_predict_bit_for_bit(
    serve: Serve, wanted: dict[str, list[dict[str, Any]]]
) -> None:
    client, _ = serve()
    for task, expected in wanted.items():
        answers = answered(client, PAIRS if task == "pairs" else TEXTS, task=task)
        assert [{name: answer[name] for name in expected[0]} for answer in answers] == expected
        assert {answer["task"] for answer in answers} == {task}
        assert answered(client, (PAIRS if task == "pairs" else TEXTS), adapter=expected[0]["adapter"]) == answers


def test_requests_for_all_adapters_that_share_batches_are_answered_alike(
    serve: Serve, wanted: dict[str, list[dict[str, Any]]]
) -> None:
    client, service = serve(batching=Batching(rows=16, seconds=0.5))
    with ThreadPoolExecutor(16) as pool:
        texts = {task: PAIRS if task == "pairs" else TEXTS for task in wanted}
        asked = [(task, index) for index in range(len(TEXTS)) for task in wanted]
        answers = list(
            pool.map(lambda request: answered(client, [texts[request[0]][request[1]]], task=request[0])[0], asked)
        )
    for (task, index), answer in zip(asked, answers, strict=True):
        expected = wanted[task][index]
        assert (answer["label"], answer["adapter"]) == (expected["label"], expected["adapter"])
        assert answer["confidence"] == pytest.approx(expected["confidence"], abs=TOLERANCE)
    page = service.metrics.page().decode()
    (batches,) = (line for line in page.splitlines() if line.startswith("workbench_batch_requests_count"))
    assert float(batches.split()[1]) < len(asked), "else no two shared a batch"


def test_answers_are_counted_by_label_and_confidence(serve: Serve, wanted: dict[str, list[dict[str, Any]]]) -> None:
    client, service = serve()
    for task, expected in wanted.items():
        answered(client, PAIRS if task == "pairs" else TEXTS, task=task)
        page, adapter = service.metrics.page().decode(), expected[0]["adapter"]
        values = [answer["value"] if isinstance(answer["value"], list) else [answer["value"]] for answer in expected]
        counted = Counter(label for value in values for label in set(value) if isinstance(label, str))
        lines = [line for line in page.splitlines() if line.startswith(f'workbench_answers_total{{adapter="{adapter}"')]
        assert sorted(lines) == sorted(
            f'workbench_answers_total{{adapter="{adapter}",label="{label}"}} {count}.0'
            for label, count in counted.items()
        ), "each label of a text once, and no numbers"
        sure = [answer["confidence"] for answer in expected if answer["confidence"] is not None]
        for most in (0.5, 0.9) if sure else ():
            low = sum(confidence <= most for confidence in sure)
            assert f'workbench_confidence_bucket{{adapter="{adapter}",le="{most}"}} {low}.0' in page


def test_loras_of_several_tasks_share_a_forward_pass(serve: Serve) -> None:
    _, service = serve("animals", "halves")
    current = service.current
    jobs = [current.job_for([text], task, None) for text in TEXTS for task in ("animals", "halves")]
    (group,) = current.opened.groups
    passes = []
    group.body.register_forward_hook(lambda *_: passes.append(1))
    answers = replies_to(jobs)
    assert len(passes) == 1
    assert [answer.adapters for answer in answers] == [[job.adapter] for job in jobs]


def test_where_no_two_requests_share_a_batch_all_are_bit_for_bit_those_of_predict(
    serve: Serve, workspace: Workspace
) -> None:
    client, _ = serve("animals", "halves", batching=Batching(rows=1))
    asked = [(task, text) for text in TEXTS for task in ("animals", "halves")] * 2
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda request: answered(client, [request[1]], task=request[0])[0], asked))
    alone = {(task, text): predicted(workspace, task, [text])[0] for task, text in dict.fromkeys(asked)}
    assert [answer["confidence"] for answer in answers] == [alone[request]["confidence"] for request in asked]


def test_an_answer_that_is_no_number_fails_that_request_and_no_other(serve: Serve, copied: Workspace) -> None:
    folder = copied.adapters.get("halves").folder
    head = load_file(folder / HEAD_FILE)
    save_file({name: torch.full_like(tensor, 3e38) for name, tensor in head.items()}, folder / HEAD_FILE)
    sealed(folder)
    asked = ["animals", "halves", "toy-multilabel", "animals", "halves"]
    client, _ = serve(at=copied, batching=Batching(rows=len(asked), seconds=0.5))
    with ThreadPoolExecutor(len(asked)) as pool:
        replies = list(pool.map(lambda task: client.post("/predict", json={"texts": TEXTS[:1], "task": task}), asked))
    assert [reply.status_code for reply in replies] == [200, 500, 200, 200, 500]
    failed = [reply.json()["detail"] for reply in replies if reply.status_code == 500]
    assert [lacks(detail, "not a number", "NaN") for detail in failed] == [[], []]
    two = client.post("/predict", json={"texts": TEXTS[:2], "task": "halves"})
    assert two.json()["detail"].startswith("2 of 2 answers are not a number (that to text 1 first)")


@pytest.mark.parametrize(
    ("parts", "text", "why"),
    [(HIDDEN, f"the {RARE}", "(Replace) makes"), ({"pre_tokenizer": split(GIVING_UP)}, GIVES_UP, "retry-limit")],
)
def test_a_text_that_a_tokenizer_multiplies_or_gives_up_on_fails_that_request_and_no_other(
    parts: dict[str, Any], text: str, why: str, serve: Serve, bert: Path, tmp_path: Path
) -> None:
    own = Workspace(tmp_path / "own")
    backbone = open_backbone(str(change_tokenizer(shutil.copytree(bert, tmp_path / "bert"), **parts)))
    for task in (make_task("animals", SUBJECTS, FRUITS, 16), make_task("halves", SUBJECTS[:4], SUBJECTS[4:], 16)):
        train(own, backbone, task)
    asked = [("animals", "the cat"), ("animals", text), ("halves", "the cat"), ("halves", "a plum")]
    client, _ = serve(at=own, batching=Batching(rows=len(asked), seconds=0.5))

    def ask(request: tuple[str, str]) -> Any:
        return client.post("/predict", json={"texts": [request[1]], "task": request[0]})

    with ThreadPoolExecutor(len(asked)) as pool:
        replies = list(pool.map(ask, asked))
    assert [reply.status_code for reply in replies] == [200, 422, 200, 200]
    assert lacks(replies[1].json()["detail"], "the tokenizer cannot read a text", why) == []


def test_a_router_answers_what_names_no_adapter(serve: Serve, workspace: Workspace) -> None:
    client, _ = serve("animals", "halves", router="arrow")
    bench = Workbench(workspace.root, [])
    expected = bench.route("arrow", TEXTS, ["animals", "halves"])
    routed = client.post("/predict", json={"texts": TEXTS}).json()
    assert routed["adapter"] is None
    for answer, prediction in zip(routed["answers"], expected, strict=True):
        assert (answer["label"], answer["adapter"], answer["task"]) == (
            prediction.label,
            prediction.adapter,
            prediction.task,
        )
        assert answer["confidence"] == pytest.approx(prediction.confidence, abs=TOLERANCE)
        assert answer["routing_score"] == prediction.routing_score
    named = answered(client, TEXTS, task="halves")
    assert {answer["task"] for answer in named} == {"halves"}
    assert not any("routing_score" in answer for answer in named)


def test_a_text_of_none_of_the_tasks_gets_no_answer(serve: Serve) -> None:
    client, service = serve("animals", "halves", router="arrow")
    all_answered = client.post("/predict", json={"texts": TEXTS}).json()["answers"]
    scores = sorted(answer["routing_score"] for answer in all_answered)
    middle = scores[len(scores) // 2]
    client, service = serve("animals", "halves", router="arrow", rejection=Rejection(least=middle))
    reply = client.post("/predict", json={"texts": TEXTS}).json()
    believed = [answer for answer in reply["answers"] if answer["task"]]
    assert len(believed) == len(TEXTS) - len(TEXTS) // 2
    for answer, before in zip(reply["answers"], all_answered, strict=True):
        assert (answer["nearest_task"], answer["routing_score"]) == (before["task"], before["routing_score"])
        if answer["routing_score"] < middle:
            empty = ("label", "confidence", "value", "adapter", "task")
            assert all(answer[name] is None for name in empty)
        else:
            assert answer == before | {"confidence": pytest.approx(before["confidence"], abs=TOLERANCE)}
    assert client.get("/adapters").json()["rejected_below"] == {"animals": middle, "halves": middle}
    assert f'workbench_texts_total{{adapter="none"}} {len(TEXTS) // 2}.0' in service.metrics.page().decode()
    named = client.post("/predict", json={"texts": TEXTS, "task": "animals"}).json()["answers"]
    assert all(answer["task"] == "animals" and "nearest_task" not in answer for answer in named)


def test_who_answers_is_chosen_as_predict_chooses(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A router may ask several adapters; the one with the highest score need not be the one that answers."""

    def the_lowest(state: RoutingState, rows: Dataset) -> RoutedTexts:
        scores = route(state, rows)
        return RoutedTexts(scores.argmin(axis=1), scores.min(axis=1), np.zeros(len(scores), dtype=bool))

    client, service = serve("animals", "halves", router="arrow")
    scores = route(service.current.routers[False], rows_of(TEXTS))
    best = [answer["adapter"] for answer in client.post("/predict", json={"texts": TEXTS}).json()["answers"]]
    monkeypatch.setattr(service_module, "adapters_for_texts", the_lowest)
    answers = client.post("/predict", json={"texts": TEXTS}).json()["answers"]
    assert all(answer["adapter"] != adapter for answer, adapter in zip(answers, best, strict=True))
    assert [answer["routing_score"] for answer in answers] == scores.min(axis=1).tolist()


def test_texts_that_come_together_are_routed_together(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    _, service = serve("animals", "halves", router="arrow")
    current = service.current
    jobs = [current.job_for(texts, task, None) for texts, task in ((TEXTS[:1], None), (TEXTS, "halves"), (TEXTS, None))]
    alone = [replies_to([job])[0] for job in jobs]
    read: list[int] = []

    def counted(state: RoutingState, rows: Dataset) -> RoutedTexts:
        read.append(len(rows))
        return adapters_for_texts(state, rows)

    monkeypatch.setattr(service_module, "adapters_for_texts", counted)
    together = replies_to(jobs)
    assert read == [1 + len(TEXTS)]
    assert together[1].routed is None
    for reply, before in zip(together, alone, strict=True):
        assert reply.adapters == before.adapters
        assert [answer.words for answer in reply.answers] == [answer.words for answer in before.answers]
        if reply.routed and before.routed:
            assert reply.routed.nearest == before.routed.nearest
            assert reply.routed.scores == pytest.approx(before.routed.scores, abs=TOLERANCE)


def test_generated_answers_are_served(serve: Serve, tmp_path: Path, llama: Path, copying: Task) -> None:
    workspace = Workspace(tmp_path / "generated")
    for name in ("copying", "other"):
        train(workspace, open_backbone(str(llama)), replace(copying, name=name, fingerprint=f"fingerprint of {name}"))
    client, _ = serve(at=workspace)
    for task in ("copying", "other"):
        expected = predicted(workspace, task, TEXTS)
        assert [
            {name: answer[name] for name in expected[0]} for answer in answered(client, TEXTS, task=task)
        ] == expected
