"""`workbench serve`: what it refuses before anything is opened, and a real server from its start to its end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Event

import httpx
import pytest

from adapter_workbench.experiments.answers.http_server import address
from adapter_workbench.experiments.answers.http_server.limits import Limits
from adapter_workbench.experiments.answers.http_server.metrics import Metrics
from adapter_workbench.experiments.answers.http_server.selection import select
from adapter_workbench.experiments.answers.http_server.server import Server, serve
from adapter_workbench.experiments.answers.http_server.service import Service
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.batch_queue import Batching
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.measures.streaming import Words
from adapter_workbench.workbench.methods.task import Task
from bench.serve_load import load
from tests.conftest import FRUITS, SUBJECTS, Call, environment, make_task
from tests.ear import Ear
from tests.experiments.serving.conftest import GENERATING, TEXTS, train, wait_for
from tests.patience import PATIENCE

HEAVY = {"torch", "transformers", "peft", "adapters", "datasets", "fastapi", "uvicorn", "mlflow"}


def test_each_manifest_is_read_twice_however_many_adapters_are_served(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred tasks would take ten thousand of them, if each task's name were looked up by itself."""
    counted: list[str] = []
    get = AdapterStore.get
    monkeypatch.setattr(AdapterStore, "get", lambda store, name: counted.append(name) or get(store, name))
    ear = Ear()
    selection = select(workspace, [], None, (), ear)
    assert len(selection.by_task) == len(selection.adapters) == 8
    assert len(counted) <= 2 * 8, "to choose, and to verify"
    assert ear.said[0] == f"animals: {selection.by_task['animals']}, the only adapter for animals."


@pytest.fixture
def taken() -> Iterator[str]:
    """A port at which somebody listens already."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield str(other.getsockname()[1])


REFUSED = {
    "no such adapter": (["animls"], "there is no adapter called 'animls'\n  Did you mean animals?"),
    "no such router": (["--router", "arow"], "there is no router called 'arow'\n  Did you mean arrow?"),
    "no such setting": (["--router", "arrow", "--set", "tokns=3"], "unknown key 'tokns'"),
    "a setting without a router": (["--set", "tokens=3"], "--set needs a router"),
    "a rejection without a router": (["--max-false-rejections", "0.1"], "--max-false-rejections needs a router"),
    "two rejections": (
        ["--router", "arrow", "--max-false-rejections", "0.1", "--min-routing-score", "0"],
        "give a score or a share, not both",
    ),
    "a router for evaluations": (["--router", "oracle"], "oracle is for evaluations"),
    "a router of other adapters": (["biases", "--router", "arrow"], "is an adapter of plain (bitfit)"),
    "no such backbone": (["--backbone", "minilmm"], "there is no backbone called 'minilmm'"),
    "no such host": (["--host", "300.1.1.1"], "--host: there is no host '300.1.1.1'"),
    "another machine's": (["--host", "192.0.2.1"], "--host: 192.0.2.1 is not an address of this machine"),
    "no such key": (["--api-key-file", "nowhere"], "nowhere: the key cannot be read: No such file"),
    "a short key": (["--api-key-file", "short"], "short: a key is one word of at least 16 letters"),
    "a key of two words": (["--api-key-file", "words"], "words: a key is one word of at least 16 letters"),
    "a port that is taken": (["--port", "TAKEN"], "is taken\n  Give another one; --port 0 takes a free one."),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_what_is_wrong_is_said_and_nothing_is_started(
    mistake: str, workspace: Workspace, call: Call, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: pytest.fail("a server was started"))
    Path("short").write_text("secret\n")
    Path("words").write_text("two words that are long enough\n")
    arguments, message = REFUSED[mistake]
    given = [taken if argument == "TAKEN" else argument for argument in arguments]
    code, out, err = call("serve", *given, "--workspace", str(workspace.root), *([] if taken in given else PORT))
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_a_port_is_taken_before_a_server_answers_there() -> None:
    with address.bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} of 127.0.0.1 is taken"):
            address.bind("127.0.0.1", port)


def test_a_response_does_not_wait_until_the_one_before_is_acknowledged() -> None:
    """Without TCP_NODELAY, a body follows its header 40 ms later on every connection that is kept."""

    async def delay_of_accepted(bound: socket.socket) -> int:
        accepted = asyncio.get_running_loop().create_future()

        class Connection(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                accepted.set_result(transport.get_extra_info("socket"))

        server = await asyncio.get_running_loop().create_server(Connection, sock=bound)
        async with server:
            _, client = await asyncio.open_connection(*bound.getsockname()[:2])
            option = (await accepted).getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            client.close()
        return option

    with address.bind("127.0.0.1", 0) as bound:
        assert asyncio.run(delay_of_accepted(bound))


PORT = ["--port", "0"]


def test_a_server_that_others_reach_without_a_key_is_warned_of(
    workspace: Workspace, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: None)
    Path("key").write_text("0123456789abcdef")
    for options, warned in (
        (["--host", "0.0.0.0"], True),
        (["--host", "0.0.0.0", "--api-key-file", "key"], False),
        ([], False),
        (["--host", "localhost"], False),
    ):
        code, _, err = call("serve", "animals", *options, *PORT, "--workspace", str(workspace.root))
        assert (code, "Warning: everybody who reaches http://0.0.0.0:" in err) == (0, warned), err


def test_an_empty_workspace_is_said(call: Call) -> None:
    code, out, err = call("serve")
    assert (code, out, "no adapters" in err) == (2, "", True)


def test_a_workspace_of_damaged_adapters_is_said(copied: Workspace, call: Call) -> None:
    for path in copied.adapters.root.glob("*/manifest.json"):
        path.write_text("{")
    code, out, err = call("serve", "--workspace", str(copied.root))
    assert (code, out) == (2, "")
    assert "can be read\n  `workbench adapters verify`" in err


def test_adapters_of_several_backbones_are_not_served_together(
    copied: Workspace, llama: Path, copying: Task, call: Call
) -> None:
    other = train(copied, open_backbone(str(llama)), copying)
    options = ["--workspace", str(copied.root)]
    code, _, err = call("serve", *options)
    assert (code, "Choose one: --backbone NAME" in err, other in err) == (2, True, True)
    code, _, err = call("serve", "animals", other, *options)
    assert (code, "one backbone is served" in err) == (2, True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_a_server_in_order(number: int, workspace: Workspace, held: tuple[Event, Event]) -> None:
    """What was taken is answered; what comes after the signal is refused, by the server or by the closed port."""
    selected = partial(select, workspace, ["animals"], None, (), Silent())
    service = Service(selected(), selected, None, Batching(seconds=0), Metrics())
    (begun, go), started, asked = held, Event(), {"texts": TEXTS, "task": "animals"}
    before = signal.signal(number, signal.default_int_handler)  # not ignored, as SIGHUP is under nohup

    def ask(url: str) -> tuple[int, list[int]]:
        assert started.wait(PATIENCE)
        with ThreadPoolExecutor(1) as pool:
            taken = pool.submit(httpx.post, f"{url}/predict", json=asked, timeout=PATIENCE)
            assert begun.wait(PATIENCE)
            os.kill(os.getpid(), number)
            refused = []
            with suppress(httpx.TransportError):  # refused, or reset where it waited to be accepted
                while len(refused) < 10_000:
                    refused.append(httpx.post(f"{url}/predict", json=asked, timeout=PATIENCE).status_code)
            go.set()
            return taken.result().status_code, refused

    with ThreadPoolExecutor(1) as pool, address.bind("127.0.0.1", 0) as bound:
        client = pool.submit(ask, address.url(bound))
        assert serve(service, bound, Limits(), None, started.set)
        code, refused = client.result()
    assert code == 200
    assert {*refused} <= {503}
    assert not service.is_alive
    assert signal.signal(number, before) == signal.default_int_handler


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/predict"])
def test_a_stream_in_which_a_signal_comes_is_written_to_its_end(
    path: str, generating: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go, write = Event(), Event(), Words.__call__

    def slow(words: Words, tokens: Sequence[int]) -> bool:
        wanted = write(words, tokens)
        if words.written:
            begun.set()
            assert go.wait(PATIENCE)
        return wanted

    monkeypatch.setattr(Words, "__call__", slow)
    service, started = _generating_service(generating), Event()

    def ask(url: str) -> tuple[str, set[int]]:
        assert started.wait(PATIENCE)
        with httpx.stream("POST", f"{url}{path}", json=_streamed(path), timeout=PATIENCE) as response:
            parts = response.iter_text()
            first = next(parts)
            assert begun.wait(PATIENCE)
            os.kill(os.getpid(), signal.SIGTERM)
            refused = set()
            with suppress(httpx.TransportError):
                while len(refused) < 2:
                    refused.add(httpx.post(f"{url}{path}", json=_streamed(path), timeout=PATIENCE).status_code)
            go.set()
            return first + "".join(parts), refused

    with ThreadPoolExecutor(1) as pool, address.bind("127.0.0.1", 0) as bound:
        client = pool.submit(ask, address.url(bound))
        assert serve(service, bound, Limits(), None, started.set)
        events, refused = client.result()
    assert refused <= {503}
    assert "error" not in events
    if path == "/predict":
        assert "event: answers" in events
    else:
        assert '"finish_reason": "' in events
        assert events.endswith("data: [DONE]\n\n")


def test_a_stream_that_takes_too_long_does_not_hold_a_server_that_ends(
    generating: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, write = Event(), Words.__call__

    def slow(words: Words, tokens: Sequence[int]) -> bool:
        begun.set()
        Event().wait(0.4)
        return write(words, tokens)

    monkeypatch.setattr(Words, "__call__", slow)
    service, started, path = _generating_service(generating), Event(), "/v1/chat/completions"

    def ask(url: str) -> str:
        assert started.wait(PATIENCE)
        with httpx.stream("POST", f"{url}{path}", json=_streamed(path), timeout=PATIENCE) as response:
            assert begun.wait(PATIENCE)
            os.kill(os.getpid(), signal.SIGTERM)
            return "".join(response.iter_text())

    limits = Limits(seconds=0.6)
    with ThreadPoolExecutor(1) as pool, address.bind("127.0.0.1", 0) as bound:
        client = pool.submit(ask, address.url(bound))
        assert serve(service, bound, limits, None, started.set)
        events = client.result()
    assert "there was no answer within 0.6 seconds" in events
    assert events.endswith("data: [DONE]\n\n")


def _generating_service(workspace: Workspace) -> Service:
    selected = partial(select, workspace, [GENERATING[0]], None, (), Silent())
    return Service(selected(), selected, None, Batching(seconds=0), Metrics())


def _streamed(path: str) -> dict[str, object]:
    """Return a body that asks for a streamed answer of four tokens."""
    text = "a plum"
    asked: dict[str, dict[str, object]] = {
        "/predict": {"texts": [text], "task": GENERATING[0]},
        "/v1/chat/completions": {"model": GENERATING[0], "messages": [{"role": "user", "content": text}]},
        "/v1/completions": {"model": GENERATING[0], "prompt": text, "max_tokens": 4},
    }
    return {**asked[path], "stream": True}


def test_a_server_outlives_the_terminal_where_nohup_started_it(workspace: Workspace) -> None:
    selected = partial(select, workspace, ["animals"], None, (), Silent())
    service, started = Service(selected(), selected, None, Batching(seconds=0), Metrics()), Event()

    def ask(url: str) -> int:
        assert started.wait(PATIENCE)
        os.kill(os.getpid(), signal.SIGHUP)
        try:
            return httpx.post(f"{url}/predict", json={"texts": TEXTS, "task": "animals"}, timeout=PATIENCE).status_code
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    # SIGTERM too: the server takes it all the same, and one that comes after its end does not end the tests
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGHUP, signal.SIGTERM)}
    try:
        with ThreadPoolExecutor(1) as pool, address.bind("127.0.0.1", 0) as bound:
            client = pool.submit(ask, address.url(bound))
            assert serve(service, bound, Limits(), None, started.set)
            assert client.result() == 200
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_an_adapter_that_was_there_at_the_start_leaves_memory_when_it_is_replaced(
    copied: Workspace, backbone: Backbone, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bodies of the package adapters refer to themselves in circles, which only a search for garbage frees."""
    left: list[object] = []

    def replace(server: Server, sockets: list[socket.socket]) -> None:
        service = server._service
        (old,) = service.current.opened.adapters
        body = weakref.ref(service.current.opened.groups[0]._opened.model.body)
        assert service.submit(service.current.job_for(TEXTS, None, old)).result(PATIENCE).adapters[0] == old
        new = train(copied, backbone, make_task("bottleneck", FRUITS, SUBJECTS, 16), "pfeiffer", seed=1)
        copied.adapters.remove(old)
        assert service.reload().added == [new]
        left.append(body())
        service.close()

    monkeypatch.setattr(Server, "run", replace)
    code, _, err = call("serve", "bottleneck", "--workspace", str(copied.root), *PORT)
    assert (code, left) == (0, [None]), err


@pytest.mark.acceptance
def test_a_server_from_its_start_to_its_end(workspace: Workspace, tmp_path: Path) -> None:
    """A process of its own, on a free port: it says where it is, wants its key, answers, and ends in order."""
    (tmp_path / "key").write_text("0123456789abcdef\n")
    command = [
        "from adapter_workbench.experiments.cli import main; main()",
        "serve",
        "animals",
        "halves",
        *PORT,
        "--host",
        "127.0.0.1",
    ]
    given = ["--workspace", str(workspace.root), "--api-key-file", str(tmp_path / "key"), "--max-wait-ms", "1000"]
    paths = os.pathsep.join(path for path in sys.path if path)
    process = subprocess.Popen(
        [sys.executable, "-c", *command, *given],
        cwd=tmp_path,
        env=environment(PYTHONPATH=paths),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        match = re.fullmatch(r"serving 2 adapters on \S+ at (http://127\.0\.0\.1:\d+) \(Ctrl-C stops it\)\n", line)
        assert match, line + process.stderr.read()
        with httpx.Client(base_url=match[1], headers={"Authorization": "Bearer 0123456789abcdef"}) as client:
            assert httpx.post(f"{match[1]}/predict", json={"texts": TEXTS, "task": "animals"}).status_code == 401
            measured = load(match[1], ["animals", "halves"], clients=2, seconds=0.1, key="0123456789abcdef")
            assert (measured["codes"], measured["texts_per_batch"] >= 1) == ({"200": measured["requests"]}, True)
            answers = []

            def ask() -> None:
                answers.append(client.post("/predict", json={"texts": TEXTS, "task": "animals"}))

            asking = threading.Thread(target=ask)
            asking.start()
            wait_for(client, len(TEXTS))
            process.send_signal(signal.SIGTERM)
            asking.join(PATIENCE)
        assert [answer.status_code for answer in answers] == [200], "what was taken is finished"
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert (process.returncode, out.partition(".")[0]) == (0, "Stopped")
    assert "Traceback" not in err


@pytest.mark.acceptance
def test_help_brings_nothing_heavy() -> None:
    program = (
        "import sys; sys.argv = ['workbench', 'serve', '--help']\nfrom adapter_workbench.experiments.cli import main\n"
    )
    program += "try:\n    main()\nfinally:\n    sys.stderr.write(' '.join(sys.modules))"
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment(PYTHONPATH=paths), check=True
    )
    assert "--api-key-file" in done.stdout
    assert not HEAVY & set(done.stderr.split())
