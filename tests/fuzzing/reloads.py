"""reloads: adapters come, go, change places and are damaged under a server that answers and is told to reload."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Event
from typing import Any

from fastapi.testclient import TestClient

from tests.fuzzing.answering import keep_drawn, service_of
from tests.fuzzing.sites import Site

TASKS = {"animals": "classification", "tags": "token-classification", "sizes": "regression"}
TEXTS = ["the cat often", "a plum", "one"]
LOST = {404, 409, 422, 503}  # of an adapter that is gone
CHANGES, ASKING = 4, 2


def case(site: Site, random: Random) -> bool:
    """Change adapters while requests are answered; each answer has to be one that some adapter of its name gives."""
    from adapter_workbench.experiments.answers.http_server.app import application
    from adapter_workbench.experiments.answers.http_server.limits import Limits
    from adapter_workbench.experiments.workspace import Workspace

    root = site.folder / "reloaded"
    shutil.rmtree(root, ignore_errors=True)
    workspace = Workspace(root)
    for name, kind in TASKS.items():
        keep_drawn(workspace.adapters, site.backbone, name, kind, 1)
    service, stop = service_of(workspace, []), Event()
    try:
        with TestClient(application(service, Limits()), raise_server_exceptions=False) as client:
            with ThreadPoolExecutor(ASKING) as pool:
                asking = [pool.submit(_ask, client, Random(random.random()), stop) for _ in range(ASKING)]
                try:
                    reloaded = [_change(site, workspace, client, random) for _ in range(random.randint(1, CHANGES))]
                finally:
                    stop.set()
                seen = [reply for future in asking for reply in future.result()]
            _require_alike(seen)
            health = client.get("/health").status_code
            assert health == 200, f"the server is not well: {health}"
    finally:
        service.close()
    return any(reloaded)


def _ask(client: TestClient, random: Random, stop: Event) -> list[tuple[str, int, Any]]:
    """Ask until there is no more to come, and return what came: the task, the code, and the document."""
    seen = []
    while not stop.is_set():
        name = random.choice([*TASKS])
        question: dict[str, Any] = {"texts": TEXTS, "task": name}
        response = client.post("/predict", json=question)
        seen.append((name, response.status_code, response.json()))
        if random.random() < 0.2:
            assert client.get(random.choice(["/metrics", "/adapters", "/ready", "/v1/models"])).status_code == 200
    return seen


def _require_alike(seen: list[tuple[str, int, Any]]) -> None:
    """Make sure that requests failed only for want of their adapter, and that an adapter's answers stay the same."""
    answers: dict[str, Any] = {}
    for name, code, document in seen:
        assert code == 200 or code in LOST, f"{name}: {code} {document}"
        assert "Traceback" not in str(document), document
        if code == 200:
            assert document["adapter"].startswith(f"{name}-"), document
            known = answers.setdefault(document["adapter"], document["answers"])
            assert _close(known, document["answers"]), f"other answers of {document['adapter']}"


def _close(one: Any, other: Any) -> bool:
    """Return whether answers are the same, but for what other texts of a batch change in the last places."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= 1e-4 * max(1.0, abs(one))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_close(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_close, one, other))
    return bool(one == other)


def _change(site: Site, workspace: Any, client: TestClient, random: Random) -> bool:
    """Change something in the store, and tell the server; return whether it took the change."""
    name = random.choice([*TASKS])
    store = workspace.adapters
    there = [adapter for adapter in store.ids() if adapter.startswith(f"{name}-")]
    act = random.random()
    if act < 0.45:
        keep_drawn(store, site.backbone, name, TASKS[name], random.randrange(2, 1 << 16))
    elif act < 0.7 and there:
        store.remove(random.choice(there))
    elif act < 0.85 and there:
        file = random.choice(sorted(path for path in (store.root / random.choice(there)).iterdir() if path.is_file()))
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.unlink()  # a server that has mapped the file keeps what it had
        file.write_bytes(content)
    else:
        kept = store.root.with_name("aside")
        if store.root.exists() and not kept.exists():
            store.root.rename(kept)
            code = client.post("/reload").status_code
            assert code in (200, 400, 404, 409, 422), code
            kept.rename(store.root)
    response = client.post("/reload")
    assert response.status_code in (200, 409), f"{response.status_code} {response.text}"
    if response.status_code == 409:
        assert response.json()["detail"].startswith("nothing was changed: "), response.text
    return response.status_code == 200
