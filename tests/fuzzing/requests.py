"""requests: HTTP to the application that `workbench serve` runs, other paths, methods, headers and bodies."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

from fastapi.testclient import TestClient

from tests.fuzzing.sites import Site
from tests.fuzzing.values import changed, damaged, text, value

PATHS = (
    "/predict",
    "/predict",
    "/predict",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/completions",
    "/v1/models",
    "/v1/models/animals",
    "/v1/models/%2e%2e%2f%00",
    "/adapters",
    "/reload",
    "/health",
    "/ready",
    "/metrics",
    "/openapi.json",
    "/",
    "/docs",
)
POSTED = ("/predict", "/reload", "/v1/chat/completions", "/v1/completions")
METHODS = ("GET", "POST", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "NOPE")
TYPES = (
    "application/json",
    "application/json",
    "application/json; charset=utf-16",
    "text/plain",
    "multipart/form-data",
    "",
    "é",
)
HEADERS = {
    "Origin": ("http://evil.example", "null", "http://testserver", ""),
    "Host": ("evil.example", "localhost", "", "testserver:99999", "[::1]"),
    "Content-Length": ("0", "-1", "99999999999", "x"),
    "Transfer-Encoding": ("chunked", "gzip"),
    "Accept": ("text/html", "application/xml", "*/*"),
    "Authorization": ("Bearer x", "Basic Zm9v", "Bearer", "x" * 9000),
    "Content-Encoding": ("gzip", "br"),
    "X-Forwarded-For": ("1.2.3.4",),
    "Range": ("bytes=0-1",),
}
BODIES: tuple[Any, ...] = (
    {"texts": ["the cat"], "task": "animals"},
    {"texts": ["the cat", {"text": "a"}], "adapter": "sent"},
    {"texts": [{"text": "the cat", "text_pair": "a"}], "task": "animals"},
    {"texts": ["the cat"] * 20, "task": "animals", "stream": False},
    {"texts": ["the cat"], "task": "animals", "stream": True},
    {"model": "animals", "messages": [{"role": "user", "content": "the cat"}], "stop": ["a"], "max_tokens": 3},
    {"model": "sent", "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}], "stream": True},
    {"model": "animals", "messages": [{"role": "developer", "content": "a"}], "tools": [], "logit_bias": {}, "n": 1},
    {"model": "animals", "prompt": "the cat", "max_tokens": 1, "echo": True, "logprobs": 1, "temperature": 0},
    {"model": "animals", "prompt": [[1, 2, 3], [4]], "max_tokens": 3, "stop": ["a"], "response_format": None},
    {"model": "sent", "prompt": "a", "stream": True, "stream_options": {"include_usage": True}},
    {"model": "sent", "prompt": ["a", "the cat"], "max_tokens": 4, "echo": True, "logprobs": 5},
)
CONTINUED = tuple({**body, "model": "sent"} for body in BODIES if "model" in body)
TEXTS = ("", " ", "x" * 30_000, "\ud800", "\x00", "the cat " * 500, "語" * 100)
MANY = 100_000
LARGE = tuple(
    json.dumps(document).encode()
    for document in (
        {"texts": [1] * MANY},
        {"texts": [dict.fromkeys(map(str, range(MANY)))]},
        {"model": "animals", "messages": [{"role": "user", "content": [1] * MANY}], "stop": [1] * MANY},
        {"model": "animals", "prompt": [1] * MANY, "logit_bias": dict.fromkeys(map(str, range(MANY)), 1)},
        {"model": "animals", "prompt": [[]] * MANY, "tools": [{}] * MANY},
        dict.fromkeys(map(str, range(MANY))),
    )
)
FINE = {200, 400, 401, 403, 404, 405, 406, 409, 411, 413, 415, 421, 422, 429, 501, 503}


def case(site: Site, random: Random) -> bool:
    """Send a request; the answer has to be one that the interface names, in a few words, without a traceback."""
    continues = random.random() < 0.3
    client = _client(site.root, site, continues)
    headers = {name: random.choice(HEADERS[name]) for name in HEADERS if random.random() < 0.06}
    headers["Content-Type"] = random.choice(TYPES) if random.random() < 0.3 else "application/json"
    path = random.choice(PATHS) if random.random() < 0.9 else _path(random)
    raw = {name.encode(): given.encode() for name, given in headers.items()}
    response = client.request(
        random.choice(METHODS) if random.random() < 0.4 else "POST" if path in POSTED else "GET",
        path,
        content=_body(random, CONTINUED if continues else BODIES),
        headers=list(raw.items()),
    )
    shown = f"{response.request.method} {response.request.url} → {response.status_code} {response.text[:500]}"
    assert response.status_code in FINE, shown
    assert "Traceback" not in response.text, shown
    assert "/site-packages/" not in response.text, shown
    if response.status_code >= 400 and response.request.method != "HEAD":
        assert 0 < len(response.text) < 3000, shown
        message = response.json().get("detail", response.json().get("error"))
        assert message, shown
    if response.status_code == 200 and path == "/predict":
        assert "NaN" not in response.text, shown
    return response.status_code < 400


def _path(random: Random) -> str:
    """Return a path of any characters, as a client sends it; one that began with two slashes would name a host."""
    return "/" + quote(text(random).encode(errors="replace").lstrip(b"/"), safe="/?&=")


def _body(random: Random, bodies: tuple[Any, ...]) -> bytes:
    act = random.random()
    if act < 0.1:
        return random.choice(
            [b"", b"{", b"[" * 5000, b"null", b"\xff\xfe", b'{"texts": NaN}', b'{"a": 1e999}', b"1" * 5000, *LARGE]
        )
    document = changed(random, random.choice(bodies)) if random.random() < 0.7 else dict(random.choice(bodies))
    if isinstance(document, dict) and random.random() < 0.3:
        document["texts"] = [
            random.choice([random.choice(TEXTS), value(random)]) for _ in range(random.choice([1, 2, 300]))
        ]
    content = json.dumps(document, default=str, skipkeys=True).encode()
    return content if random.random() < 0.85 else damaged(random, content)


@cache
def _client(root: Path, site: Site, continues: bool) -> TestClient:
    """Return a client of an application that serves an undamaged adapter: of labels, or one that continues texts."""
    from adapter_workbench.experiments.answers.http_server.app import application
    from adapter_workbench.experiments.answers.http_server.limits import Limits
    from adapter_workbench.experiments.answers.http_server.metrics import Metrics
    from adapter_workbench.experiments.answers.http_server.selection import select
    from adapter_workbench.experiments.answers.http_server.service import Service
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.machine.batch_queue import Batching
    from adapter_workbench.workbench.machine.listener import Silent

    adapter = site.continuing_adapter if continues else site.adapter
    workspace = Workspace(site.continuing if continues else site.served)

    def selected() -> Any:
        return select(workspace, [adapter.name], None, (), Silent())

    service = Service(selected(), selected, None, Batching(), Metrics())
    return TestClient(application(service, Limits()), raise_server_exceptions=False)
