"""The hour of load, in seconds and on a tiny model: what is right is counted as right, and what is not is found."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from bench import served_soak
from bench.checked_load import BoundedLoad, CheckedAnswers, OwnAnswer, Served, alike, own_answers
from bench.served_soak import Settings, sample, slope, soaked
from tests.streams import write_tasks

SECONDS = Settings(
    adapters=5, minutes=0.1, rate=30, texts=3, clients=2, replace_every=2.0, lora_memory=0, max_batch=64, settling=0.02
)  # so that every LoRA is read from its file

Reply = dict[str, Any] | int | None
"""What a false server sends: an answer, the code of a refusal, or nothing."""


@pytest.fixture(scope="module")
def lora(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> StoredAdapter:
    folder = tmp_path_factory.mktemp("originals")
    workbench = Workbench(folder / "workspace", [write_tasks(folder)])
    budget = {"epochs": 1, "batch_size": 8, "max_length": 16, "precision": "fp32"}
    lesson = workbench.lesson("animals", "lora", backbone=str(bert), budget=budget, alpha=1000.0)
    return workbench.train(lesson).adapter


@pytest.mark.acceptance
def test_a_server_whose_adapters_are_replaced_gives_each_its_own_answers(lora: StoredAdapter, tmp_path: Path) -> None:
    results = soaked(tmp_path, lora, SECONDS)
    counts, held = results["counts"], results["held"]
    assert counts["answers"] >= 90, "half of what is asked in six seconds, at least"
    assert (counts["wrong"], counts["lost"], counts["refused"], counts["examples"]) == (0, 0, {}, [])
    assert 0 < counts["of_removed"] < counts["answers"], "some were given after the folder of their adapter was gone"
    assert results["alike_by_chance"] < 0.05, "these adapters do not say the same"
    assert len(results["reloads"]) >= 2
    assert all(held[claim] for claim in held if claim != "memory was flat")
    assert results["samples"][-1]["replaced"] >= 1


@pytest.mark.acceptance
def test_an_answer_of_another_adapter_is_found(
    lora: StoredAdapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(*arguments: Any) -> dict[str, list[OwnAnswer]]:
        own = own_answers(*arguments)
        names = [*own]
        return dict(zip(names, [own[name] for name in [*names[1:], names[0]]], strict=True))

    monkeypatch.setattr(served_soak, "own_answers", mistaken)
    results = soaked(tmp_path, lora, Settings(3, 0.03, 30, 2, 2, 60.0, 0, 64, 0.0))
    assert results["counts"]["wrong"] > 0.9 * results["counts"]["answers"] > 0
    assert not results["held"]["no answer was wrong"]
    assert "and not OwnAnswer" in results["counts"]["examples"][0]


OWN = {"a-0": [OwnAnswer("yes", 0.7)], "a-1": [OwnAnswer("yes", 0.7001)], "b-0": [OwnAnswer("no", 0.7)]}


def answered(adapter: str = "a-0", label: str = "yes", confidence: float = 0.7) -> dict[str, Any]:
    return {"answers": [{"adapter": adapter, "label": label, "confidence": confidence}]}


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (answered(), {"answers": 1, "wrong": 0, "bit_equal": 1}),
        (answered(confidence=0.700009), {"answers": 1, "wrong": 0, "bit_equal": 0}),
        (answered(confidence=0.70002), {"answers": 1, "wrong": 1}),
        (answered(confidence=float("nan")), {"answers": 1, "wrong": 1}),
        (answered(label="no"), {"answers": 1, "wrong": 1}),
        (answered(adapter="a-1"), {"answers": 1, "wrong": 1}),
        (answered(adapter="a-1", confidence=0.7001), {"answers": 1, "wrong": 1}),
        ({"answers": []}, {"answers": 0, "lost": 1}),
        (503, {"answers": 0, "lost": 0, "refused": {"503": 1}}),
        (None, {"answers": 0, "lost": 1, "refused": {}}),
    ],
)
def test_each_response_is_counted_as_what_it_is(reply: Reply, expected: dict[str, Any]) -> None:
    """The tolerance is 1e-5; for task `a` only the adapter `a-0` may answer."""
    checked = CheckedAnswers(dict(OWN), ["Is it?"])
    with false_server(lambda: reply) as url:
        BoundedLoad(url, Served({"a": frozenset(["a-0"])}), checked, rate=1, texts=1, clients=1).ask(0.5)
    counts = checked.counts()
    assert {name: counts[name] for name in expected} == expected


def test_requests_are_sent_at_their_rate() -> None:
    checked = CheckedAnswers(dict(OWN), ["Is it?"])
    with false_server(answered) as url:
        load = BoundedLoad(url, Served({"a": frozenset(["a-0"])}), checked, rate=20, texts=1, clients=3)
        load.ask(1.0)
    assert 15 <= checked.right <= 21, "one every twentieth of a second, the first at once"
    assert checked.wrong == checked.lost == 0


def test_while_an_adapter_is_replaced_both_may_answer() -> None:
    checked = CheckedAnswers(dict(OWN), ["Is it?"])
    served = Served({"a": frozenset(["a-0", "a-1"])}, removed={"a-0"})
    for reply in (answered(), answered("a-1", confidence=0.7001)):
        with false_server(lambda reply=reply: reply) as url:
            BoundedLoad(url, served, checked, rate=1, texts=1, clients=1).ask(0.5)
    assert (checked.right, checked.of_removed) == (2, 1)


def test_how_many_adapters_answer_alike_is_told() -> None:
    """Of three pairs one is within 1e-5: a-1 is 1e-4 away, and b-0 has another label."""
    near = {"a-2": [OwnAnswer("yes", 0.700001)]}
    assert alike(OWN) == 0
    assert alike({**near, "a-0": OWN["a-0"], "b-0": OWN["b-0"]}) == pytest.approx(1 / 3)


def test_memory_that_grows_has_a_slope() -> None:
    """2 MB each half hour, with one sample that is far off: Sen's slope is 4 MB an hour."""
    samples = [{"seconds": 1800.0 * number, "own_mb": 100 + 2.0 * number} for number in range(12)]
    samples[5]["own_mb"] = 500.0
    growth = slope(samples, "own_mb")
    assert growth["mean"] == pytest.approx(4.0)
    assert growth["low"] <= 4.0 <= growth["high"]
    assert slope(samples[:3], "own_mb") == {"mean": None, "low": None, "high": None}


def test_memory_that_was_taken_is_seen() -> None:
    import os

    before = sample(os.getpid(), 0.0)
    held = bytearray(b"x" * 50_000_000)
    after = sample(os.getpid(), 1.0)
    assert len(held) / 1e6 == pytest.approx(after["own_mb"] - before["own_mb"], abs=5)
    assert after["own_mb"] < after["resident_mb"], "code is mapped"


@contextmanager
def false_server(reply: Callable[[], Reply]) -> Iterator[str]:
    """Answer every request with what ``reply`` returns; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if (content := reply()) is None:
                self.close_connection = True
                return
            code, body = (content, b"{}") if isinstance(content, int) else (200, json.dumps(content).encode())
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
