"""Pieces are placed by the memory that their training takes by forecast; one that fits nowhere is refused by name."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from adapter_workbench.experiments.engine.piece import Effort, Forecast
from adapter_workbench.experiments.engine.workers import inline
from adapter_workbench.experiments.engine.workers.memory_budget import memory_here, remaining_memory, require_memory
from adapter_workbench.experiments.engine.workers.worker_slot import WorkerSlot, slots_to_use
from adapter_workbench.workbench.errors import InputError
from tests.conftest import Call
from tests.messages import lacks, naming
from tests.toy_pieces import ToyPiece


@dataclass(frozen=True)
class Large(ToyPiece):
    """A piece with a forecast."""

    memory_mb: float | None = None

    @property
    def effort(self) -> Effort:
        return Effort("large", 1, lambda: Forecast(self.memory_mb))


def test_processes_of_a_machine_share_its_memory() -> None:
    assert remaining_memory(1000, [], 1000) == math.inf, "one piece at a time is always allowed"
    assert remaining_memory(1000, [300, 0], 1000) == 700
    assert remaining_memory(1000, [300, 900], 1000) == -200, "not even a piece that takes nothing"
    assert remaining_memory(1000, [], 4000) == 1000, "a larger piece is for the larger machine"
    assert remaining_memory(math.inf, [300], math.inf) == math.inf, "where nobody knows, nobody waits"


def test_a_piece_is_refused_where_no_machine_has_memory_for_it() -> None:
    pieces = [Large("small", memory_mb=900), Large("unknown"), Large("large", memory_mb=4001)]
    require_memory(pieces, [1000, 4001])
    require_memory(pieces, [1000, math.inf])
    with pytest.raises(InputError) as refused:
        require_memory(pieces, [1000, 4000])
    assert refused.value.exit_code == 2
    assert lacks(refused.value.what, "large takes 4,001 MB", "4,000 MB") == []


def test_fewer_pieces_than_slots_go_where_most_memory_is() -> None:
    small, large = WorkerSlot(1, {}, "small", memory_mb=1000), WorkerSlot(1, {}, "large", memory_mb=4000)
    other, unknown = replace(large, machine="other"), replace(large, memory_mb=math.inf)
    assert slots_to_use([small, large], 1) == [large]
    assert slots_to_use([small, large, other], 2) == [large, other], "of equal ones those that come first"
    assert slots_to_use([small, large], 3) == [large, small]
    assert slots_to_use([large, unknown], 1) == [unknown], "where nobody knows, nothing is too large"


def test_fewer_pieces_than_slots_go_to_as_many_machines_as_there_are() -> None:
    small, large = WorkerSlot(1, {}, "small", memory_mb=1000), WorkerSlot(1, {}, "large", memory_mb=4000)
    assert slots_to_use([small, small, large, large], 2) == [large, small]
    assert slots_to_use([small, small, large, large], 3) == [large, small, large]


def test_of_many_pieces_a_few_are_named() -> None:
    with pytest.raises(
        InputError, match=naming("p0 takes 9 MB", "p1 takes 9 MB", "p2 takes 9 MB", "2 more", "the largest has 8 MB")
    ):
        require_memory([Large(f"p{number}", memory_mb=9) for number in range(5)], [8])


def test_this_machine_has_memory() -> None:
    assert 100 < memory_here() < 1e9, "MB"


def test_a_run_that_does_not_fit_trains_nothing(
    call: Call, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline, "memory_here", lambda: 0.01)
    code, out, err = call("run", str(recipe), "--workspace", str(tmp_path / "ws"))
    assert (code, out) == (2, "")
    assert "enough memory: " in err
    assert "Traceback" not in err
    assert not (tmp_path / "ws" / "steps").exists()
