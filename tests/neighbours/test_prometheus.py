"""Prometheus' own parser reads what the server counts."""

from __future__ import annotations

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.neighbours.compared import Compared, installed, keep
from tests.patience import PATIENCE
from tests.served import chatting_workspace, serving

pytestmark = pytest.mark.acceptance

TASK = "copying"
ANSWERED = 3


def test_prometheus_reads_what_was_counted(tmp_path_factory: pytest.TempPathFactory) -> None:
    workspace = chatting_workspace(tmp_path_factory.mktemp("counted"), [TASK])
    with serving("workbench serve", workspace) as server, httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        for _ in range(ANSWERED):
            asked = {"model": TASK, "prompt": ["the cat", "a plum"], "max_tokens": 1, "echo": True, "logprobs": 1}
            assert client.post("/v1/completions", json=asked).status_code == 200
        assert client.post("/predict", json={"texts": ["the cat"], "task": "animals"}).status_code == 200
        assert client.get(f"/v1/models/{TASK}").status_code == 200
        assert client.get("/nowhere").status_code == 404
        response = client.get("/metrics")
        adapters = {adapter["task"]: adapter["id"] for adapter in client.get("/adapters").json()["adapters"]}
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    families = [*text_string_to_metric_families(response.text)]
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value for family in families for sample in family.samples
    }
    expected = {
        _requests("/v1/completions"): ANSWERED,
        _requests("/predict"): 1,
        _requests("/v1/models/{model}"): 1,
        _requests("other", 404): 1,
        ("workbench_texts_total", ("adapter", adapters[TASK])): 2 * ANSWERED,
        ("workbench_texts_total", ("adapter", adapters["animals"])): 1,
        ("workbench_waiting_texts",): 0,
        ("workbench_adapters",): 2,
    }
    assert {name: samples[name] for name in expected} == expected
    what = "counts of requests and texts"
    version = installed("prometheus-client")
    keep(Compared("prometheus_client's parser", version, "asks", what, len(expected), None))


def _requests(path: str, code: int = 200) -> tuple[object, ...]:
    return "workbench_requests_total", ("code", str(code)), ("path", path)
