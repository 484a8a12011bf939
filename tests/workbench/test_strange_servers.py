"""Servers and addresses that are not what MLflow expects: each is one line, in time, and never a traceback."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from adapter_workbench.workbench.errors import TrackingError
from adapter_workbench.workbench.mlflow import bounded_client
from adapter_workbench.workbench.mlflow.address import printable_address, without_secrets
from adapter_workbench.workbench.mlflow.registration import Entry
from adapter_workbench.workbench.mlflow.run_record import RunRecord
from adapter_workbench.workbench.mlflow.tracker import Tracker
from tests.patience import PATIENCE

RECORD = RunRecord("key", "name", metrics=(("accuracy", 0.5, 1),), artifacts={"report/report.html": b"page"})
ENTRY = Entry("news.lora", "key", "adapter", "measure", 0.5)
DRIP = 0.01  # seconds between two bytes: far less than the time that requests allows between them

REQUESTS: list[bytes] = []  # that servers have taken


@contextmanager
def answering(body: bytes, kind: str = "application/json", status: str = "200 OK", drip: float = 0.0) -> Iterator[str]:
    """Yield the address of a server on loopback that answers everything with ``body``, by bytes if it drips."""
    whole = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=answer, args=listener.accept()[:1], daemon=True).start()

        def answer(client: socket.socket) -> None:
            with suppress(OSError), client:
                while asked := client.recv(65536):
                    REQUESTS.extend(re.findall(rb"(?m)^(?:GET|POST) \S+", asked))
                    for part in [whole[i : i + 1] for i in range(len(whole))] if drip else [whole]:
                        client.sendall(part)
                        time.sleep(drip)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


DOORS: dict[str, Callable[[Tracker], object]] = {
    "sync": lambda tracker: tracker.sync("experiment", RECORD),
    "newest": lambda tracker: tracker.newest("report/report.html"),
    "ping": Tracker.ping,
    "register": lambda tracker: tracker.register("experiment", RECORD, ENTRY),
    "registered": lambda tracker: tracker.registered_model("news.lora"),
}


def complaint(address: str, door: str) -> str:
    REQUESTS.clear()
    with pytest.raises(TrackingError) as caught:
        DOORS[door](Tracker(address))
    assert len(REQUESTS) <= 1, "MLflow's client alone would try again for minutes"
    assert caught.value.exit_code == 1
    lines = str(caught.value).splitlines()
    assert len(lines) == 2, "the message, and what to do"
    assert all(len(line) < 1000 for line in lines)
    return lines[0]


EXPERIMENT = {"experiment_id": "1", "name": "experiment", "lifecycle_stage": "active", "artifact_location": "file:///x"}
STRANGE = {
    "a page": (b"<!doctype html><html><body>Log in</body></html>", "text/html", "200 OK"),
    "a page for an error": (b"<html>" + b"x" * 100_000, "text/html", "502 Bad Gateway"),
    "null": (b"null", "application/json", "200 OK"),
    "a list": (b"[1, 2]", "application/json", "200 OK"),
    "half a document": (b'{"experiments": [{"experiment_id": "1"', "application/json", "200 OK"),
    "control characters": (b'{"error_code": "\\u001b[2J", "message": "\\u001b]0;title\\u0007"}', "x", "400 Bad"),
    "a number for a document": (json.dumps({"experiment": 7, "experiments": 7, "runs": 7}).encode(), "x", "200 OK"),
    "numbers for texts": (
        json.dumps({"experiment": {"experiment_id": 1, "name": 5}, "experiments": [{"name": 5}]}).encode(),
        "application/json",
        "200 OK",
    ),
    "texts for numbers": (
        json.dumps({"experiments": [{"creation_time": "soon"}], "experiment": {"creation_time": "soon"}}).encode(),
        "application/json",
        "200 OK",
    ),
    "an error that is none": (b'{"error_code": 5, "message": [7]}', "application/json", "400 Bad Request"),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("strange", STRANGE)
def test_a_strange_answer_is_one_message(strange: str, door: str) -> None:
    with answering(*STRANGE[strange]) as address:
        assert "\x1b" not in complaint(address, door)


@pytest.mark.parametrize("body", [b"", b"{}"])
@pytest.mark.parametrize("door", ["sync", "register"])
def test_a_server_that_keeps_nothing_is_not_told_to_hold_anything(door: str, body: bytes) -> None:
    with answering(body) as address:
        assert "no id" in complaint(address, door)


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_server_that_keeps_nothing_does_not_say_that_there_is_no_champion(body: bytes) -> None:
    with answering(body) as address:
        assert "'news.lora'" in complaint(address, "registered")


ADDRESSES = [
    "htp:/x", "http://[::1", "http://", "http:// spaces in it:80/", "http://127.0.0.1:99999", "http://127.0.0.1:port",
    "postgresql://user:secret@127.0.0.1/mlflow", "postgresql+nothing://x/y", "mysql://x/y", "://", "gopher://nowhere",
    "sqlite:///", "sqlite:////dev/null/mlflow.db", "http://\x00", "\x1b[2J", "uc:x",
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_leads_nowhere_is_one_message(address: str) -> None:
    complaint(address, "sync")


@pytest.mark.parametrize("name", ["MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"])
@pytest.mark.parametrize("value", ["abc", "", "-1", "1e999", "٣"])
def test_a_setting_of_mlflow_that_is_no_number_is_one_message(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with answering(b"<html>") as address:
        complaint(address, "sync")


SHOWN = {
    "http://user:secret@host:80/x": "http://host:80/…",
    "http://host?password=secret": "http://host/…",
    "http://host:5000/?token=secret": "http://host:5000/…",
    "https://host/#secret": "https://host/…",
    "https://host/secret/": "https://host/…",
    "http://secret@host/": "http://host",
    "http://user:se@secret@host": "http://host",
    "http://user:s%65cret@host": "http://host",
    "http://user:se/secret@host/x": "http://…",
    "http://user:80/secret@host/x": "http://…",
    "http://[::1]:80": "http://[::1]:80",
    "http://[::1": "http://…",
    "databricks": "databricks",
    "databricks://p:secret@x": "databricks://x",
    "databricks://profile:secret": "databricks://profile",
    "postgresql+psycopg2://user:secret@127.0.0.1:1/mlflow": "postgresql+psycopg2://127.0.0.1:1/…",
    "mssql+pyodbc:///?odbc_connect=PWD%3Dsecret": "mssql+pyodbc://…",
    "sqlite+pysqlcipher://:secret@//x.db": "sqlite+pysqlcipher://…",
    "user:secret@host:80": "…",
    "sqlite:////a folder/mlflow.db": "sqlite:////a folder/mlflow.db",
    "sqlite:////x.db?key=secret": "sqlite:////x.db",
    "file:///a@b/runs": "file:///a@b/runs",
    "/a@b/runs#1": "/a@b/runs#1",
    "./runs": "./runs",
}


@pytest.mark.parametrize("address", SHOWN)
def test_of_an_address_scheme_host_and_port_alone_are_shown(address: str) -> None:
    assert printable_address(address) == SHOWN[address]
    rest = address.partition("://")[2]
    for message in (f"could not ask '{address}/api'", f"url: {rest}/api", "denied: secret", f"s%65cret {address}"):
        if "secret" in address and not address.startswith("sqlite:///"):
            assert "secret" not in without_secrets(message, address)


def test_what_mlflow_says_of_an_address_holds_no_secret() -> None:
    for address in SHOWN:
        if "secret" in address and not address.startswith("sqlite:///"):
            local = address.replace("@host", "@127.0.0.1:9").replace("//host", "//127.0.0.1:9")
            assert "secret" not in complaint(local, "sync"), address


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("status", "words", "remedy"),
    [
        ("401 UNAUTHORIZED", "does not accept this user and password", "MLFLOW_TRACKING_USERNAME"),
        ("403 FORBIDDEN", "does not allow this user", "grant EDIT"),
    ],
)
def test_a_server_that_refuses_a_user_is_said_to(door: str, status: str, words: str, remedy: str) -> None:
    with answering(b"You are not authenticated.", "text/html", status) as address:
        message = complaint(address, door)
    assert words in message
    assert remedy in message


@pytest.mark.parametrize("door", DOORS)
def test_a_server_that_answers_a_byte_at_a_time_is_given_up(door: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_client, "PATIENCE", 0.5)
    with answering(b" " * 100_000, drip=DRIP) as address:
        assert "too slow" in complaint(address, door)


def test_a_call_that_was_given_up_is_never_joined_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_client, "PATIENCE", 0.3)
    with answering(b"{}" + b" " * 20, drip=DRIP) as address:
        tracker = Tracker(address)
        for expected in ("no complete answer within", "not answered the last request yet"):
            with pytest.raises(TrackingError, match=expected):
                tracker.ping()
        pending = tracker._client._pending
        pending.exception(timeout=PATIENCE)
        monkeypatch.setattr(bounded_client, "PATIENCE", PATIENCE)
        tracker.ping()
        assert tracker._client._pending is not pending
