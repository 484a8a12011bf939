"""Clients that send half a request or take no answer: what they hold is bounded, and a server ends nevertheless."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from threading import Event
from typing import Any

import pytest

from adapter_workbench.experiments.answers.http_server import address
from adapter_workbench.experiments.answers.http_server.app import SMALL
from adapter_workbench.experiments.answers.http_server.limits import Limits
from adapter_workbench.experiments.answers.http_server.metrics import Metrics
from adapter_workbench.experiments.answers.http_server.selection import select
from adapter_workbench.experiments.answers.http_server.server import serve
from adapter_workbench.experiments.answers.http_server.service import Service
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.machine.batch_queue import Batching
from adapter_workbench.workbench.machine.listener import Silent
from tests.patience import PATIENCE

Open = Callable[..., socket.socket]
WhileServing = Callable[..., tuple[Any, float]]
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
OPENAPI = HEALTH.replace(b"health", b"openapi.json")  # some thousand bytes
PREDICT = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
ASKED = b'{"texts": ["the cat"], "task": "animals"}'
METRICS = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
CHAT = b'{"model": "animals", "messages": [{"role": "user", "content": "the cat"}]}'
GONE = b'workbench_requests_total{code="499",path="%s"} 1.0'


@pytest.fixture
def while_serving(workspace: Workspace) -> WhileServing:
    """Return what a client does to a server, and how many seconds it then took until a SIGTERM ended the server."""

    def run(client: Callable[[Open], Any], limits: Limits) -> tuple[Any, float]:
        selected = partial(select, workspace, ["animals"], None, (), Silent())
        service, started = Service(selected(), selected, None, Batching(seconds=0), Metrics()), Event()
        with ExitStack() as opened, ThreadPoolExecutor(1) as pool, address.bind("127.0.0.1", 0) as bound:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)  # little waits in the kernel to be taken
            server = bound.getsockname()

            def connect(sent: bytes = b"", receiving: int | None = None) -> socket.socket:
                client = opened.enter_context(socket.socket())
                client.settimeout(PATIENCE)
                if receiving:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receiving)
                client.connect(server)
                client.sendall(sent)
                return client

            def act() -> tuple[Any, float]:
                assert started.wait(PATIENCE)
                try:
                    return client(connect), time.monotonic()
                finally:
                    os.kill(os.getpid(), signal.SIGTERM)

            acting = pool.submit(act)
            assert serve(service, bound, limits, None, started.set)
            result, stopped = acting.result()
            return result, time.monotonic() - stopped

    return run


def received(client: socket.socket) -> bytes:
    """Return all that comes until the server closes."""
    everything = b""
    with suppress(ConnectionResetError):
        while part := client.recv(65536):
            everything += part
    return everything


def answer(client: socket.socket) -> tuple[int, str]:
    """Return the code and the message of a connection's last answer; 0 where it was closed without one."""
    header, _, body = received(client).partition(b"\r\n\r\n")
    return (int(header.split()[1]), json.loads(body)["detail"]) if header else (0, "")


def code(client: socket.socket) -> int:
    """Return the code of an answer on a connection that is kept."""
    return int(client.recv(65536).split()[1])


def is_waited_for(client: socket.socket) -> bool:
    """Return whether a server has neither answered nor closed."""
    client.setblocking(False)
    try:
        client.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False
    finally:
        client.settimeout(PATIENCE)
    return False


def test_a_request_that_does_not_come_to_its_end_is_given_up(while_serving: WhileServing) -> None:
    limits = Limits(arrival=0.3)

    def client(connect: Open) -> list[tuple[int, str]]:
        kept = connect(HEALTH)
        assert code(kept) == 200
        kept.sendall(b"G")
        late = [connect(), connect(b"GET /hea"), connect(PREDICT % 100 + b'{"texts": '), kept]
        chunked = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{    \r\n"
        return [answer(connection) for connection in (*late, connect(chunked))]

    answers, _ = while_serving(client, limits)
    given_up = (408, "the request was not there as a whole within 0.3 seconds")
    assert answers == [(0, ""), *[given_up] * 4]


def test_a_late_request_of_openais_interface_is_refused_in_its_form(while_serving: WhileServing) -> None:
    def client(connect: Open) -> list[dict[str, Any]]:
        late = PREDICT.replace(b"/predict", b"/v1/chat/completions") % 100
        kept = connect(late.replace(b"100", b"%d" % len(CHAT)) + CHAT)
        assert kept.recv(65536)
        kept.sendall(b"GET /hea")
        return [json.loads(received(connection).partition(b"\r\n\r\n")[2]) for connection in (connect(late), kept)]

    (answered, unknown), _ = while_serving(client, Limits(arrival=0.5))
    what = "the request was not there as a whole within 0.5 seconds"
    assert answered["error"] == {"message": what, "type": "invalid_request_error", "param": None, "code": None}
    assert unknown == {"detail": what}, "of the next request no path is known"


def test_a_client_that_sends_a_byte_at_a_time_gains_no_time(while_serving: WhileServing) -> None:
    def client(connect: Open) -> int:
        sent, slow = 0, connect()
        with suppress(OSError):
            for byte in HEALTH[:-1]:
                slow.sendall(bytes([byte]))
                sent += 1
                time.sleep(0.2)
        return sent

    sent, _ = while_serving(client, Limits(arrival=0.5))
    assert sent < len(HEALTH) - 1, "given up on the way"


def test_half_open_connections_keep_nobody_out(while_serving: WhileServing) -> None:
    """Of those that have sent no whole request, the one that has been there longest is closed for a new one."""

    def client(connect: Open) -> tuple[list[int], int]:
        codes, half_open = [], []
        for _ in range(10):
            half_open += [connect(b"GET /predict HTTP/1.1\r\nHost: ") for _ in range(10)]
            codes.append(code(connect(HEALTH)))
        return codes, sum(map(is_waited_for, half_open))

    (codes, waited_for), _ = while_serving(client, Limits(connections=8))
    assert codes == [200] * 10
    assert 1 <= waited_for <= 8


def test_where_every_connection_is_answered_a_further_one_is_refused(
    while_serving: WhileServing, held: tuple[Event, Event]
) -> None:
    begun, go = held

    def client(connect: Open) -> tuple[tuple[int, str], list[int]]:
        asking = [connect(PREDICT % len(ASKED) + ASKED) for _ in range(3)]
        assert begun.wait(PATIENCE)
        time.sleep(0.2)  # until all three are taken
        refused = answer(connect(HEALTH))
        go.set()
        return refused, [code(connection) for connection in asking]

    (refused, codes), _ = while_serving(client, Limits(connections=3))
    assert (refused[0], "connection" in refused[1], codes) == (503, True, [200] * 3)


@pytest.mark.parametrize(("path", "left"), [(b"/predict", ASKED), (b"/v1/chat/completions", CHAT)])
def test_what_a_client_asked_that_has_gone_is_not_computed(
    path: bytes, left: bytes, while_serving: WhileServing, held: tuple[Event, Event]
) -> None:
    begun, go = held
    gone = GONE % path

    def client(connect: Open) -> bytes:
        asking = connect(PREDICT % len(ASKED) + ASKED)
        assert begun.wait(PATIENCE)
        connect(PREDICT.replace(b"/predict", path) % len(left) + left).close()
        until = time.monotonic() + PATIENCE
        while gone not in received(connect(METRICS)):
            assert time.monotonic() < until
            time.sleep(0.05)
        go.set()
        assert [code(asking), code(connect(PREDICT % len(ASKED) + ASKED))] == [200, 200]
        return received(connect(METRICS))

    page, _ = while_serving(client, Limits())
    assert b"\nworkbench_batch_requests_sum 2.0\n" in page


def test_unfinished_bodies_are_bounded_together_and_do_not_keep_small_ones_out(while_serving: WhileServing) -> None:
    limits = Limits(texts=8, characters=20_000, large_at_once=3)
    unfinished = b" " * (limits.bytes - 1)

    def client(connect: Open) -> tuple[int, set[tuple[int, str]], int]:
        large = [connect(PREDICT % limits.bytes + unfinished) for _ in range(12)]
        while len(waited_for := [connection for connection in large if is_waited_for(connection)]) > 3:
            time.sleep(0.05)
        for connection in large:
            connection.shutdown(socket.SHUT_WR)
        refused = {answer(connection) for connection in large if connection not in waited_for}
        return len(waited_for), refused, code(connect(PREDICT % SMALL + ASKED.ljust(SMALL)))

    (waited_for, refused, small), _ = while_serving(client, limits)
    assert waited_for == 3
    assert [code for code, _ in refused] == [503]
    assert all("large requests" in message for _, message in refused)
    assert small == 200


def test_bodies_that_were_answered_or_given_up_no_longer_count(while_serving: WhileServing) -> None:
    limits = Limits(texts=8, characters=20_000, large_at_once=1, arrival=0.5)

    def client(connect: Open) -> list[int]:
        codes = [code(connect(PREDICT % limits.bytes + ASKED.ljust(limits.bytes))) for _ in range(3)]
        left, given_up = (connect(PREDICT % limits.bytes + b" " * (limits.bytes - 1)) for _ in range(2))
        left.close()
        codes.append(answer(given_up)[0])
        return [*codes, code(connect(PREDICT % limits.bytes + ASKED.ljust(limits.bytes)))]

    codes, _ = while_serving(client, limits)
    assert codes[:3] == [200] * 3
    assert codes[3] in (408, 503)
    assert codes[4] == 200


def test_a_client_that_takes_no_answer_is_cut_off(while_serving: WhileServing) -> None:
    asked = 1000

    def client(connect: Open) -> int:
        deaf = connect(OPENAPI * asked, receiving=4096)
        time.sleep(1)
        return received(deaf).count(b"HTTP/1.1 200")

    answers, _ = while_serving(client, Limits(arrival=0.3))
    assert answers < asked / 2


def test_a_server_ends_in_spite_of_slow_clients(while_serving: WhileServing, capfd: pytest.CaptureFixture[str]) -> None:
    answers: list[Future[tuple[int, str]]] = []
    with ThreadPoolExecutor(40) as pool:

        def client(connect: Open) -> None:
            header = [connect(b"GET /hea") for _ in range(20)]
            body = [connect(PREDICT % 100 + b'{"texts": ') for _ in range(20)]
            idle, deaf = connect(HEALTH), connect(OPENAPI * 1000, receiving=4096)
            assert (code(idle), deaf.recv(1)) == (200, b"H")
            time.sleep(0.3)  # until what is sent to the deaf one waits to be taken
            answers.extend(pool.submit(answer, connection) for connection in (*header, *body))

        _, seconds = while_serving(client, Limits(seconds=PATIENCE, arrival=PATIENCE))
    assert seconds < PATIENCE, "nobody's time is waited for"
    assert [connection.result() for connection in answers] == [(503, "the server is stopping")] * 40
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "this is not HTTP/1.1"),
        (b"GET /health\r\n\r\n", "this is not HTTP/1.1"),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nA: " + b"a" * 100_000, "header is too long"),
        (
            PREDICT.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n") % 5 + b"0\r\n\r\n",
            "Content-Length or is chunked",
        ),
    ],
    ids=["TLS", "HTTP/0.9", "a long header", "two lengths"],
)
def test_what_is_not_http_is_refused_in_the_form_of_all_refusals(
    sent: bytes, message: str, while_serving: WhileServing
) -> None:
    (number, detail), _ = while_serving(lambda connect: answer(connect(sent)), Limits())
    assert (number, message in detail) == (400, True)
