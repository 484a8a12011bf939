"""The image's entry point is a command that the program takes, and asks for a key: it listens to everybody."""

from __future__ import annotations

import json
import re
from pathlib import Path

from adapter_workbench.experiments.cli import application

FILE = Path(__file__).parents[3] / "docs/serving/Dockerfile"


def test_the_entry_point_is_taken() -> None:
    match = re.search(r"^ENTRYPOINT (\[.*\])$", FILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert match
    program, command, *options = json.loads(match[1])
    assert program == "workbench"
    bench = application()
    with bench.make_context("workbench", [], resilient_parsing=True) as context:
        serve = bench.get_command(context, command)
        assert serve
        taken = serve.make_context(command, options, parent=context).params
    assert taken["host"] == "0.0.0.0"
    assert str(taken["api_key_file"]) == "/run/secrets/key"
