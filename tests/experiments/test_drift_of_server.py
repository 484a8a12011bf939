"""`workbench drift --server`: a server's counts beside answers to test rows."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest

from adapter_workbench.experiments.answers.drift import server
from adapter_workbench.experiments.answers.http_server.metrics import Metrics
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.answering.predictor import Answer
from adapter_workbench.workbench.errors import WorkError
from adapter_workbench.workbench.machine.listener import Silent
from tests.conftest import FILLERS, FRUITS, SUBJECTS, Call

BUDGET = {"epochs": 2, "batch_size": 8, "max_length": 16, "precision": "fp32"}
KEY = "k" * 32
SECRET = "hunter2"
LINES, DRIP = 90, 0.1  # of a server that drips, and seconds between two: fewer than the headers that a client reads
NUMBERS = "kind: regression\ncolumns: {text: text, label: value}\n"


def texts(first: int, number: int) -> list[tuple[str, str]]:
    """Return texts with their labels, as many of each."""
    nouns = [noun for pair in zip(SUBJECTS, FRUITS, strict=False) for noun in pair]
    numbers = range(first, first + number)
    return [(f"{FILLERS[row // 16 % len(FILLERS)]} {nouns[row % 16]} {row}", "af"[row % 2]) for row in numbers]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, bert: Path) -> Workbench:
    """A workspace with an adapter for nouns, and one for numbers."""
    root = tmp_path_factory.mktemp("served")
    (root / "tasks").mkdir()
    frame = pd.DataFrame(texts(0, 320), columns=["text", "label"])
    frame.assign(value=frame["label"].map({"a": 1.0, "f": 2.0})).to_csv(root / "tasks/rows.csv", index=False)
    bench = Workbench(root / "ws", [root / "tasks"])
    for name, kind in {"nouns": "columns: {text: text, label: label}\n", "numbers": NUMBERS}.items():
        file = f"description: made in tests\nfiles: {{data: rows.csv}}\n{kind}"
        (root / f"tasks/{name}.yaml").write_text(file, encoding="utf-8")
        lesson = bench.lesson(name, "lora", str(bert), learning_rate=0.02, budget=BUDGET)
        bench.workspace.trained_adapter(lesson, Silent(), "")
    return bench


@pytest.fixture
def drift(bench: Workbench, call: Call) -> Call:
    """Run ``workbench drift …``."""
    places = ["--workspace", str(bench.workspace.root), "--tasks", str(bench.task_folders[0])]
    return lambda *arguments: call("drift", *arguments, *places)


def page_of(bench: Workbench, asked: list[str]) -> bytes:
    """Return the metrics of a server that was asked about these texts."""
    metrics, adapter = Metrics(), bench.chosen("nouns")
    labels = bench.workspace.adapters.get(adapter).manifest.task.labels
    answers = [Answer(row.label, row.confidence, row.value) for row in bench.predict("nouns", asked)]
    for answer in answers:
        metrics.answer(adapter, labels, answer)
    metrics.texts([adapter] * len(answers))
    return metrics.page()


@contextmanager
def serving(page: bytes, key: str | None = None, length: int | None = None) -> Iterator[str]:
    """Serve one page at every path, and say that it has so many bytes; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            refused = key is not None and self.headers.get("Authorization") != f"Bearer {key}"
            self.send_response(401 if refused else 200)
            if length is not None:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(b"" if refused else page)

        log_message: Callable[..., None] = lambda *_: None

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.server_address[1]}"
        finally:
            listener.shutdown()


@contextmanager
def dripping(begin: bytes) -> Iterator[str]:
    """Serve one answer that begins so, and goes on a line at a time for ten seconds; yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with suppress(OSError), listener.accept()[0] as client:
                client.sendall(b"HTTP/1.1 200 OK\r\n" + begin)
                for number in range(LINES):
                    client.sendall(b"X-Line: %d\r\n" % number)
                    time.sleep(DRIP)

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_answers_of_a_server_are_compared_by_label_and_confidence(bench: Workbench, drift: Call) -> None:
    with serving(page_of(bench, [text for text, _ in texts(1008, 160)])) as url:
        code, out, err = drift("nouns", "--server", url)
        assert (code, out[:14]) == (0, "Still the task"), err
        document = json.loads(drift("nouns", "--server", url, "--json")[1])
    assert (document["rows"], document["total"], document["server"]) == (160, 160, url)
    assert {name for name, signal in document["signals"].items() if signal} == {"answers", "confidence"}
    with serving(page_of(bench, [text for text, label in texts(1008, 320) if label == "a"])) as url:
        document = json.loads(drift("nouns", "--server", url, "--json")[1])
        assert drift("nouns", "--server", url)[0] == 3
    assert "answers" in document["beyond"]
    confidence = [
        row.confidence for row in bench.predict("nouns", [text for text, label in texts(1008, 320) if label == "a"])
    ]
    assert document["signals"]["confidence"]["new"] == pytest.approx(sum(confidence) / len(confidence))


def test_a_server_with_a_key_is_asked_with_it(bench: Workbench, drift: Call) -> None:
    Path("key").write_text(KEY)
    with serving(page_of(bench, [text for text, _ in texts(1008, 160)]), KEY) as url:
        assert drift("nouns", "--server", url, "--api-key-file", "key")[0] == 0
        code, out, err = drift("nouns", "--server", url)
    assert (code, out, "--api-key-file" in err) == (2, "", True)


def test_a_password_in_the_address_is_neither_printed_nor_stored(bench: Workbench, drift: Call) -> None:
    with serving(page_of(bench, [text for text, _ in texts(1008, 160)])) as url, serving(b"# another", KEY) as other:
        asked = [
            (url, 0, ""),
            (other, 2, "wants a key"),
            ("http://127.0.0.1:9", 1, "does not answer"),
            ("http://[::1", 2, "not an address"),
        ]
        for plain, expected, message in asked:
            for form in ([], ["--json"]):
                code, out, err = drift("nouns", "--server", plain.replace("://", f"://user:{SECRET}@"), *form)
                assert (code, message in err, SECRET in out + err) == (expected, True, False), err
        assert json.loads(drift("nouns", "--server", url.replace("://", f"://{SECRET}@"), "--json")[1])["server"] == url
    for wrong in (["nouns", f"http://user:{SECRET}@host"], ["--server", f"http://user:{SECRET}@host", "nouns", "more"]):
        code, out, err = drift(*wrong)
        assert (code, SECRET in out + err) == (2, False), err


@pytest.mark.parametrize("begin", [b"", b"\r\n"], ids=["header", "page"])
def test_a_server_that_drips_is_given_up_in_time(begin: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line comes long before a read is given up; the answer as a whole never ends."""
    monkeypatch.setattr(server, "SECONDS", 0.5)
    with dripping(begin) as url, pytest.raises(WorkError, match="too slow: no complete answer within") as caught:
        server.metrics_page(url.replace("://", f"://user:{SECRET}@"), None)
    assert SECRET not in str(caught.value)


def test_a_page_that_is_no_page_of_counts_is_one_message(bench: Workbench, drift: Call) -> None:
    page = page_of(bench, [text for text, _ in texts(1008, 32)])
    empty = re.sub(rb"(?m)^(workbench_confidence_bucket.*) .*$", rb"\1 0.0", page)
    others = re.sub(rb'label="[^"]*"', b'label="other"', page)
    for changed, expected in ((empty, "cannot be read"), (others, "no label of the server's answers")):
        with serving(changed) as url:
            code, out, err = drift("nouns", "--server", url)
        assert (code, out, expected in err) == (2, "", True), err
    with serving(page, length=len(page) + 1) as url:
        code, out, err = drift("nouns", "--server", url)
    assert (code, out, "did not end it" in err) == (1, "", True), err


def test_what_has_no_counts_is_one_message(bench: Workbench, drift: Call) -> None:
    with serving(b"# something else") as other, serving(Metrics().page()) as fresh:
        refused = {
            ("nouns", "--server", other): "not a server of the workbench",
            ("nouns", "--server", fresh): "has answered nothing there yet",
            ("numbers", "--server", fresh): "--file",
            ("nouns", "--server", fresh, "--label-column", "label"): "--label-column",
            ("nouns", "--server", fresh, "--file", "rows.csv"): "--file",
            ("nouns", "--server", "127.0.0.1"): "not an address",
            ("nouns", "--file", "rows.csv", "--api-key-file", "key"): "--api-key-file needs --server",
        }
        for arguments, expected in refused.items():
            code, out, err = drift(*arguments)
            assert (code, out, expected in err) == (2, "", True), err
    code, out, err = drift("nouns", "--server", fresh)
    assert (code, out, "does not answer" in err) == (1, "", True), "it is gone"
