"""Requests that come while answers are written join them, are answered as by themselves, and leave at their own end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from threading import Event
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from adapter_workbench.experiments.answers.http_server.current import Reply
from adapter_workbench.experiments.answers.http_server.service import Service
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.answering.predictor import OpenedAdapter
from adapter_workbench.workbench.backbone import running_batch
from adapter_workbench.workbench.backbone.answer_options import DEFAULTS, AnswerOptions
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.batch_queue import Batching
from adapter_workbench.workbench.methods.stored_model import backbone_of
from tests.experiments.serving.conftest import GENERATING, TEXTS, Serve, wait_for
from tests.patience import PATIENCE

LONG = ("a plum", GENERATING[0])  # its answer takes all four tokens
PAIRS = [(text, name) for text in TEXTS for name in GENERATING]


class Slow:
    """Holds up a batch when an answer has so many tokens, until it may go on."""

    def __init__(self, tokens: int) -> None:
        self.tokens, self.reached, self.go = tokens, Event(), Event()

    def __call__(self, tokens: Sequence[int]) -> bool:
        if len(tokens) == self.tokens:
            self.reached.set()
            assert self.go.wait(PATIENCE)
        return True


def ask(service: Service, text: str, name: str, options: AnswerOptions = DEFAULTS) -> Future[Reply]:
    return service.submit(service.current.job_for([text], name, None, options))


@pytest.fixture
def slow() -> Iterator[Callable[[int], Slow]]:
    made: list[Slow] = []

    def slow(tokens: int) -> Slow:
        made.append(Slow(tokens))
        return made[-1]

    yield slow
    for hearer in made:
        hearer.go.set()


@pytest.fixture(scope="module")
def alone(generating: Workspace) -> dict[tuple[str, str], Any]:
    """What each adapter answers to each text by itself."""
    stored = [generating.adapters.get(name) for name in generating.adapters.ids()]
    adapters = {adapter.manifest.task.name: adapter for adapter in stored}
    opened = {name: OpenedAdapter.open(adapters[name], backbone_of(adapters[name])) for name in GENERATING}
    return {(text, name): opened[name].answers([text])[0] for text, name in PAIRS}


def row_counts(service: Service) -> list[int]:
    """Return a list to which each pass adds how many rows it has."""
    rows: list[int] = []
    (group,) = service.current.opened.groups

    def count(_: Any, __: Any, output: Any) -> None:
        states: Tensor = output.last_hidden_state
        rows.append(len(states))

    group.body.register_forward_hook(count)
    return rows


def test_requests_join_at_any_time_and_are_answered_as_by_themselves(
    serve: Serve, generating: Workspace, alone: dict[tuple[str, str], Any], slow: Callable[[int], Slow]
) -> None:
    """They come in two waves, for other LoRAs than the first, and leave after two tokens or four."""
    _, service = serve(at=generating, batching=Batching(seconds=0, rows=64))
    rows, first, second = row_counts(service), slow(2), slow(2)
    waves = [PAIRS[:7], PAIRS[7:]]
    futures = {LONG: ask(service, *LONG, AnswerOptions(hear=first))}
    assert first.reached.wait(PATIENCE)
    joining = ask(service, *waves[0][0], AnswerOptions(hear=second))
    futures |= {pair: ask(service, *pair) for pair in waves[0][1:] if pair not in futures}
    first.go.set()
    assert second.reached.wait(PATIENCE)
    futures |= {pair: ask(service, *pair) for pair in waves[1] if pair not in futures}
    second.go.set()
    futures[waves[0][0]] = joining
    answers = {pair: future.result(PATIENCE).answers[0] for pair, future in futures.items()}
    assert answers.keys() == alone.keys()
    for pair, answer in answers.items():
        assert answer.words == alone[pair].words, pair
        np.testing.assert_allclose(answer.confidence, alone[pair].confidence, atol=1e-5)
    assert rows[:2] == [1, 1], "the first is alone for two tokens"
    # six rows of six tokens: the first pass of several LoRAs must not be one that may read tokens for rows
    assert rows[2:6] == [2, 2, 2, 7], "then the first wave is read, and from now on all are in one batch"
    assert len(PAIRS) - len(waves[0]) in rows[6:], "the second wave is read in one pass"
    assert sum(rows) < sum(answer.written.new for answer in alone.values()) * 1.5, "who has ended is soon left out"


def test_a_short_answer_does_not_wait_for_a_long_one(
    serve: Serve, generating: Workspace, alone: dict[tuple[str, str], Any], slow: Callable[[int], Slow]
) -> None:
    _, service = serve(at=generating, batching=Batching(seconds=0))
    assert alone["the cat often", GENERATING[0]].written.new == 2, "it ends while the other has three tokens"
    begun, last = slow(2), slow(4)

    def hear(tokens: Sequence[int]) -> bool:
        return begun(tokens) and last(tokens)

    long = ask(service, *LONG, AnswerOptions(hear=hear))
    assert begun.reached.wait(PATIENCE)
    short = ask(service, "the cat often", GENERATING[0])
    begun.go.set()
    assert short.result(PATIENCE).answers[0].words == alone["the cat often", GENERATING[0]].words
    with pytest.raises(Late):
        long.result(0)
    last.go.set()
    assert long.result(PATIENCE).answers[0].words == alone[LONG].words


def test_a_stream_joins_and_hears_its_own_words(
    serve: Serve, generating: Workspace, alone: dict[tuple[str, str], Any], slow: Callable[[int], Slow]
) -> None:
    client, service = serve(at=generating, batching=Batching(seconds=0))
    rows, begun, pairs = row_counts(service), slow(2), PAIRS[6:9]
    long = ask(service, *LONG, AnswerOptions(hear=begun))
    assert begun.reached.wait(PATIENCE)

    def stream(text: str, name: str) -> str:
        question = {"texts": [text], "task": name, "stream": True}
        with client.stream("POST", "/predict", json=question) as response:
            return "".join(response.iter_text())

    with ThreadPoolExecutor(3) as pool:
        streams = [pool.submit(stream, *pair) for pair in pairs]
        wait_for(client, 3)
        begun.go.set()
        events = [future.result(PATIENCE) for future in streams]
    for pair, of_stream in zip(pairs, events, strict=True):
        assert of_stream.count("event: text") > 1
        assert f'"label":"{alone[pair].words}"' in of_stream.replace('": "', '":"')
    assert long.result(PATIENCE).answers[0].words == alone[LONG].words
    assert rows[2:4] == [3, 4]


def test_a_request_stops_and_is_cut_where_it_asks_although_others_go_on(
    serve: Serve, generating: Workspace, alone: dict[tuple[str, str], Any], slow: Callable[[int], Slow]
) -> None:
    _, service = serve(at=generating, batching=Batching(seconds=0))
    begun, whole = slow(2), alone[TEXTS[2], GENERATING[0]]
    assert (whole.words, whole.written.new) == ("the the the peach", 4)
    long = ask(service, *LONG, AnswerOptions(hear=begun))
    assert begun.reached.wait(PATIENCE)
    stopped = ask(service, TEXTS[2], GENERATING[0], AnswerOptions(stop=(" peach",)))
    cut = ask(service, TEXTS[2], GENERATING[0], AnswerOptions(tokens=2))
    begun.go.set()
    assert stopped.result(PATIENCE).answers[0].words == "the the the"
    answer = cut.result(PATIENCE).answers[0]
    assert (answer.words, answer.written[:3]) == ("the the", (whole.written.read, 2, False))
    assert long.result(PATIENCE).answers[0].words == alone[LONG].words


def test_what_cannot_be_read_fails_and_what_is_cancelled_is_left_out(
    serve: Serve, generating: Workspace, alone: dict[tuple[str, str], Any], slow: Callable[[int], Slow]
) -> None:
    _, service = serve(at=generating, batching=Batching(seconds=0))
    rows, begun = row_counts(service), slow(2)
    long = ask(service, *LONG, AnswerOptions(hear=begun))
    assert begun.reached.wait(PATIENCE)
    turns = AnswerOptions(earlier=({"role": "user", "content": "the cat"},))
    wrong, cancelled, good = (
        ask(service, TEXTS[0], GENERATING[1], turns),
        ask(service, TEXTS[0], GENERATING[1]),
        ask(service, TEXTS[0], GENERATING[2]),
    )
    assert cancelled.cancel()
    begun.go.set()
    with pytest.raises(InputError, match="chat template"):
        wrong.result(PATIENCE)
    assert good.result(PATIENCE).answers[0].words == alone[TEXTS[0], GENERATING[2]].words
    assert long.result(PATIENCE).answers[0].words == alone[LONG].words
    assert rows[2:4] == [1, 2]


@pytest.mark.parametrize("most", [1, 2])
def test_a_batch_has_no_more_rows_than_it_may(
    most: int, serve: Serve, generating: Workspace, alone: dict[tuple[str, str], Any], slow: Callable[[int], Slow]
) -> None:
    _, service = serve(at=generating, batching=Batching(seconds=0, rows=most))
    rows, begun = row_counts(service), slow(2)
    futures = {LONG: ask(service, *LONG, AnswerOptions(hear=begun))}
    assert begun.reached.wait(PATIENCE)
    futures |= {pair: ask(service, *pair) for pair in PAIRS if pair not in futures}
    begun.go.set()
    answers = {pair: future.result(PATIENCE).answers[0] for pair, future in futures.items()}
    assert [answer.words for answer in answers.values()] == [alone[pair].words for pair in answers]
    assert max(rows) == most
    if most == 1:
        assert [answer.confidence for answer in answers.values()] == [alone[pair].confidence for pair in answers]


def test_a_request_of_several_texts_by_itself_is_answered_as_by_predict_bit_for_bit(
    serve: Serve, generating: Workspace
) -> None:
    _, service = serve(at=generating)
    rows = row_counts(service)
    job = service.current.job_for(TEXTS, GENERATING[2], None)
    answers = service.submit(job).result(PATIENCE).answers
    adapter = service.current.opened.adapters[str(job.adapter)]
    assert answers == OpenedAdapter.open(adapter, backbone_of(adapter)).answers(TEXTS)
    assert rows == [len(TEXTS)] * 4, "it is written in one batch, whose rows stay"


def test_where_a_model_keeps_something_else_all_is_as_without_joining(
    serve: Serve,
    generating: Workspace,
    alone: dict[tuple[str, str], Any],
    slow: Callable[[int], Slow],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running_batch, "_is_of_rows", lambda _: False)
    _, service = serve(at=generating, batching=Batching(seconds=0))
    rows, begun = row_counts(service), slow(2)
    long = ask(service, *LONG, AnswerOptions(hear=begun))
    assert begun.reached.wait(PATIENCE)
    later = {pair: ask(service, *pair) for pair in PAIRS[:5]}
    begun.go.set()
    for pair, future in later.items():
        assert future.result(PATIENCE).answers[0].words == alone[pair].words
    assert long.result(PATIENCE).answers[0].words == alone[LONG].words
    assert rows[:5] == [1] * 5, "once to see that nothing can join, and then four tokens without newcomers"
    assert rows[5:] == [5] * 4, "the others are not tried again"
