"""stopped_streams: a SIGTERM, or another signal, while answers are streamed: each of them ends as it has to."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Event, Timer
from typing import Any

from tests.fuzzing.answering import keep_drawn, service_of
from tests.fuzzing.sites import Site
from tests.patience import PATIENCE
from tests.tiny_models import WORDS

NAMES = ("copying", "other")
SIGNALS = (signal.SIGTERM, signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
WHOLE = b"[DONE]"


def case(site: Site, random: Random) -> bool:
    """Stream answers to several clients, end the server in between, and see how each stream and the server ended."""
    from adapter_workbench.experiments.answers.http_server import address
    from adapter_workbench.experiments.answers.http_server.limits import Limits
    from adapter_workbench.experiments.answers.http_server.server import serve

    service, started = service_of(_workspace(site), []), Event()
    limits = Limits(seconds=random.choice([1.0, 5.0, 30.0]))
    with address.bind("127.0.0.1", 0) as bound, ThreadPoolExecutor(6) as pool:
        port = bound.getsockname()[1]

        def end() -> list[Any]:
            assert started.wait(PATIENCE)
            streams = [pool.submit(_stream, port, Random(random.random())) for _ in range(random.randint(1, 4))]
            time.sleep(random.choice([0, 0, 0.003, 0.01, 0.03, 0.1, 0.3]))
            began = time.monotonic()
            os.kill(os.getpid(), random.choice(SIGNALS))
            if random.random() < 0.2:
                Timer(random.uniform(0, 0.1), os.kill, (os.getpid(), signal.SIGTERM)).start()
            time.sleep(0.01)
            late = pool.submit(_stream, port, Random(random.random()))
            return [began, [stream.result(PATIENCE) for stream in (*streams, late)]]

        ending = pool.submit(end)
        finished = serve(service, bound, limits, None, started.set)
        began, replies = ending.result(PATIENCE)
        assert time.monotonic() - began < PATIENCE, "the server does not end"
        assert finished, "it did not wait for what was asked"
    time.sleep(0.11)  # the second signal, if there is one
    for code, content, is_chat in replies:
        _require_ended(code, content, is_chat)
    return any(code == 200 for code, _, _ in replies)


def _workspace(site: Site) -> Any:
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.backbone.names import open_backbone

    workspace = Workspace(site.root / "whole" / "generating")
    if not workspace.adapters.ids():
        backbone = open_backbone(str(site.model("llama")))
        for seed, name in enumerate(NAMES, 1):
            keep_drawn(workspace.adapters, backbone, name, "causal-lm", seed)
    return workspace


def _stream(port: int, random: Random) -> tuple[int, bytes, bool]:
    """Ask for a streamed answer; return the code, what came until the end, and whether it is a chat."""
    text, name = " ".join(random.choices(WORDS, k=random.choice([1, 5, 20]))), random.choice(NAMES)
    is_chat = random.random() < 0.6
    document: dict[str, Any] = {"texts": [text], "task": name, "stream": True}
    if is_chat:
        document = {"model": name, "messages": [{"role": "user", "content": text}], "stream": True}
    path = "/v1/chat/completions" if is_chat else "/predict"
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        client.request("POST", path, json.dumps(document), {"Content-Type": "application/json"})
        response = client.getresponse()
        return response.status, response.read(), is_chat
    except (ConnectionError, http.client.BadStatusLine):
        return 0, b"", is_chat  # it came too late
    finally:
        client.close()


def _require_ended(code: int, content: bytes, is_chat: bool) -> None:
    """Make sure that a stream ended with its answer, or with what is wrong, and not in the middle of an event."""
    shown = f"{code} {content[-500:]!r}"
    assert code in (0, 200, 503), shown
    assert b"Traceback" not in content, shown
    if code != 200:
        return
    assert content.endswith(b"\n\n"), f"cut in an event: {shown}"
    last = content.removesuffix(b"\n\n").split(b"\n\n")[-1]
    if is_chat:
        assert last == b"data: [DONE]" or b'"error"' in last, f"no end: {shown}"
    else:
        name, data = last.split(b"\n")
        assert name in (b"event: answers", b"event: error"), f"no end: {shown}"
        json.loads(data.removeprefix(b"data: "))
