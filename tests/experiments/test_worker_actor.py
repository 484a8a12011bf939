"""A process of Ray's gets ready for any piece, and does it in its main thread."""

from __future__ import annotations

import gc
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

pytest.importorskip("greenlet", reason="the package greenlet is not installed")

from adapter_workbench.experiments.engine.workers.worker_actor import WorkerActor, compute_with
from adapter_workbench.experiments.workspace import Workspace
from tests.toy_pieces import ToyPiece

if TYPE_CHECKING:
    from adapter_workbench.experiments.engine.piece import Site


def test_libraries_stay_out_of_garbage_collection() -> None:
    gc.unfreeze()  # what earlier tests left out
    compute_with(torch.get_num_threads())
    gc.collect()
    assert gc.get_freeze_count() > 100_000


@dataclass(frozen=True)
class Talker(ToyPiece):
    """Tells first in which thread it is done, and has another thread talk too."""

    def work(self, site: Site) -> None:
        site.listener.say(threading.current_thread().name)
        other = threading.Thread(target=site.listener.say, args=("other",))
        other.start()
        other.join()
        super().work(site)


@pytest.mark.parametrize("label", ["do", "fail"])
def test_a_piece_is_done_in_the_thread_that_asks_and_stops_to_hand_over_what_is_said(
    label: str, tmp_path: Path
) -> None:
    """Only in the main thread does glibc keep large freed blocks for those that come next."""
    piece, workspace = Talker(label), Workspace(tmp_path)
    actor = WorkerActor([piece], workspace, tmp_path, lambda: None, pause=0.0)
    batches = [
        ([*batch.messages], (tmp_path / "log").exists(), piece.is_done(workspace)) for batch in actor.work(piece.key)
    ]
    assert batches == [
        ([("say", threading.current_thread().name)], False, False),
        ([("say", "other"), ("begin", label, 1)], True, False),
        ([("step", 1, 1.0, 0.5)], True, False),
        ([("end",) if label == "do" else ("break",)], True, False),
        ([], True, label == "do"),
    ]
    over = [*actor.work(piece.key)][-1]
    assert (over.over, bool(over.failure)) == (True, label == "fail")
