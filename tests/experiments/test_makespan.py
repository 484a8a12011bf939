"""How long pieces take that several processes share, by hand; and what a dry run says of who does them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.engine.workers.machine import Machine
from adapter_workbench.experiments.engine.workers.makespan import makespan
from tests.conftest import Call
from tests.messages import lacks
from tests.toy_pieces import ToyPiece

if TYPE_CHECKING:
    from adapter_workbench.experiments.engine.piece import Piece

FIRST = ToyPiece("first")
SECOND = ToyPiece("second", (FIRST.key,))
OTHER = ToyPiece("other")
TIMING = ToyPiece("timing", alone=True)
SECONDS = {"first": 3.0, "second": 4.0, "other": 5.0, "timing": 2.0}
NODE = {"NodeID": "n", "NodeManagerAddress": "10.0.0.2", "Resources": {"CPU": 8.0, "GPU": 2.0, "memory": 64e9}}


@pytest.mark.parametrize(
    ("processes", "seconds"),
    [
        (1, 3 + 4 + 5 + 2),
        (2, 3 + 4 + 2),  # the other piece beside the chain; what measures time at the end
        (9, 3 + 4 + 2),
    ],
)
def test_processes_share_what_does_not_need_each_other(processes: int, seconds: float) -> None:
    pieces = [FIRST, SECOND, OTHER, TIMING]
    assert makespan(pieces, processes, lambda piece: SECONDS[piece.label]) == seconds


def test_nothing_takes_no_time() -> None:
    assert makespan([], 3, lambda piece: 1.0) == 0


def test_a_machine_is_what_ray_says_of_it() -> None:
    machine = Machine.of(NODE)
    assert (machine.address, machine.cores, machine.devices, machine.memory_mb) == ("10.0.0.2", 8, 2, 64_000)
    assert machine.available_mb == float("inf"), "what trains on devices takes their memory"
    assert Machine.of({**NODE, "Resources": {"CPU": 8.0, "memory": 64e9}}).available_mb == 64_000


def test_a_dry_run_says_where_what_would_run_and_how_long(
    call: Call, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="the package ray is not installed")
    small = ["run", str(recipe), "--set", "tasks=[animals]"]
    pieces = json.loads(call(*small, "--dry-run", "--json")[1])["pieces"]
    paces = [piece.effort.pace for piece in _pending(recipe, tmp_path)]
    (tmp_path / ".workbench").mkdir()
    lines = [json.dumps({"pace": pace, "updates": 8, "seconds": 16.0}) for pace in dict.fromkeys(paces)]
    (tmp_path / ".workbench" / "pace.jsonl").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setattr(Workbench, "machines", lambda bench, cluster: [Machine.of(NODE)] * 3)
    on_three = [*small, "--cluster", "auto", "--jobs", "2", "--dry-run"]
    document = json.loads(call(*on_three, "--json")[1])
    own = {"address": "10.0.0.2", "cores": 8.0, "devices": 2, "memory_mb": 64_000.0, "processes": 2}
    assert document["machines"] == [own] * 3
    assert (len(pieces), document["expected_seconds"]) == (2, 16.0), "two pieces side by side"
    _, out, _ = call(*on_three)
    assert "10.0.0.2" in out
    assert lacks(out, "6 processes", "earlier work") == []
    assert json.loads(call(*small, "--dry-run", "--json")[1])["expected_seconds"] == 32.0


def _pending(recipe: Path, folder: Path) -> list[Piece]:
    bench = Workbench(folder / ".workbench", [folder / "tasks"])
    return bench.pending(bench.plan(str(recipe), ["tasks=[animals]"]))
