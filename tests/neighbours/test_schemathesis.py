"""schemathesis asks all that the server's OpenAPI document says, and much that it forbids, and finds nothing."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from tests.neighbours.compared import Compared, keep
from tests.neighbours.environments import environment
from tests.served import chatting_workspace, serving

pytestmark = pytest.mark.neighbour

KEY = "0123456789abcdef"
SECONDS = 40
RUN = "import os, sys; os.chdir(sys.argv.pop(1)); from schemathesis.cli import schemathesis; schemathesis()"
# a schema cannot say that the last message is the user's, or which tasks there are: what it allows may be refused
UNSAID = "positive_data_acceptance"


def test_schemathesis_finds_nothing(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    """No error of the server, no undocumented code, media type or body, nothing taken that the document forbids."""
    workspace = chatting_workspace(tmp_path_factory.mktemp("described"), ["copying"])
    program = environment("schemathesis", "schemathesis==4.32.5")
    headers = {"Authorization": f"Bearer {KEY}"}
    with serving("workbench serve", workspace, KEY) as server:
        document = f"{server.url}/openapi.json"
        given = ["--max-time", str(SECONDS), "--checks", "all", "--exclude-checks", UNSAID, "--no-color"]
        options = [*given, "--header", f"Authorization: Bearer {KEY}"]
        done = program.called(["-c", RUN, str(tmp_path), "run", document, *options], 2 * SECONDS + 60)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        described = httpx.get(document, headers=headers).json()["paths"]
        counted = httpx.get(f"{server.url}/metrics", headers=headers).text
    operations = sum(map(len, described.values()))
    assert f"Tested: {operations}" in done.stdout
    for path in described:
        assert f'workbench_requests_total{{code="200",path="{path}"}}' in counted, f"{path} was never answered"
    assert 'code="500"' not in counted
    (cases,) = re.findall(r"(\d+) generated", done.stdout)
    what = f"{operations} operations as the OpenAPI document has them"
    keep(Compared("schemathesis", program.version("schemathesis"), "asks", what, int(cases), None))
