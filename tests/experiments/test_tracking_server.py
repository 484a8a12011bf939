"""A run and a real MLflow server that is killed, dead, or slow: what it holds in the end is the same."""

from __future__ import annotations

import math
import random
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import adapter_workbench.experiments.engine.publish
from adapter_workbench.experiments.engine import run as engine
from adapter_workbench.experiments.engine.piece import Piece
from adapter_workbench.experiments.engine.publish import Publisher
from adapter_workbench.experiments.studies import STUDIES, present, present_change, report_on
from adapter_workbench.experiments.studies.stream.plan.plan import make_plan
from adapter_workbench.experiments.workspace import RecordDocument, Workspace
from adapter_workbench.workbench.errors import TrackingError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.mlflow.models import TrackedModel
from adapter_workbench.workbench.mlflow.run_record import RunRecord
from adapter_workbench.workbench.mlflow.tracker import Tracker
from adapter_workbench.workbench.settings.base import read
from tests.conftest import Call
from tests.ear import Ear
from tests.mlflow_server import Server, slow_line, stored
from tests.streams import write_recipe

if TYPE_CHECKING:
    from collections.abc import Iterator


SMALL = ["tasks=[animals, halves]", "seeds=[0]", "budget.epochs=1"]
pytestmark = pytest.mark.acceptance
KILLS = 2  # starting a server takes seconds


class Accidents:
    """Kills the server at seeded moments of its work, counted in requests, and starts it again a while later."""

    def __init__(self, server: Server, seed: int, kills: int) -> None:
        self.server, self.random, self.left, self.kills = server, random.Random(seed), kills, 0
        self.requests, self.restart = 0, threading.Thread()
        self.next = self.random.randint(3, 40)

    def before_request(self) -> None:
        """Count a request; where its turn has come, let the server die while it is being answered, or before it is."""
        self.requests += 1
        if self.left and self.requests >= self.next and not self.restart.is_alive():
            self.left, self.kills = self.left - 1, self.kills + 1
            self.next = self.requests + self.random.randint(3, 40)
            moment, pause = self.random.choice([0, self.random.uniform(0, 0.03)]), self.random.uniform(0, 1)
            self.restart = threading.Thread(target=self._accident, args=(moment, pause))
            self.restart.start()
            if not moment:
                time.sleep(0.05)

    def _accident(self, moment: float, pause: float) -> None:
        time.sleep(moment)
        self.server.kill()
        time.sleep(pause)
        self.server.start()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("server"))
    yield running
    running.kill()


def test_what_a_dead_server_missed_is_logged_later_and_once(
    server: Server,
    bert: Path,
    tmp_path: Path,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = str(write_recipe(tmp_path, bert))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    server.kill()
    assignments = [part for assignment in ("name=missed", *SMALL) for part in ("--set", assignment)]
    code, _, err = call("run", recipe, *assignments)
    assert (code, err.count("Tracking:")) == (0, 1)
    code, _, err = call("report", "missed", "--log")
    assert code == 1
    assert "report EXPERIMENT --log" in err
    server.start()
    assert call("report", "missed", "--log")[0] == 0
    first = stored(server.uri, "missed")
    assert call("report", "missed", "--log")[0] == 0
    assert stored(server.uri, "missed") == first
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/healthy.db")
    assert call("report", "missed", "--log")[0] == 0
    assert stored(f"sqlite:///{tmp_path}/healthy.db", "missed") == first


def test_a_server_that_is_killed_again_and_again_ends_with_the_record_of_one_that_was_not(
    server: Server, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import requests

    server.start()
    monkeypatch.setattr(adapter_workbench.experiments.engine.publish, "PAUSE", 0.0)
    monkeypatch.setattr(adapter_workbench.experiments.engine.publish, "SHARE", math.inf)
    plan = make_plan(read(write_recipe(tmp_path, bert)).set(SMALL), [tmp_path / "tasks"])
    workspace, ear = Workspace(tmp_path / "ws"), Ear()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    disturbed = Publisher(workspace, ear)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    undisturbed = Publisher(workspace, Silent())
    accidents, send = Accidents(server, seed=0, kills=KILLS), requests.Session.send

    def counted(self: requests.Session, request: Any, **options: Any) -> Any:
        accidents.before_request()
        return send(self, request, **options)

    monkeypatch.setattr(requests.Session, "send", counted)

    def after(record: RecordDocument, piece: Piece, there: Workspace) -> None:
        for publisher in (disturbed, undisturbed):
            publisher.update(lambda: present_change("stream", record, piece.coordinates, there))

    record = engine.run(STUDIES.get(plan.study), plan, workspace, ear, "test", on_done=after)
    end = present(report_on("stream", record, workspace))
    assert undisturbed.finish(end)
    for _ in range(20):  # as often as `report EXPERIMENT --log` would be called
        if accidents.kills:
            accidents.restart.join()
        if disturbed.finish(end) and not accidents.left:
            break
    assert accidents.kills == KILLS
    assert len(ear.said) == 1, "trouble is said once"
    assert "MLflow does not answer" in ear.said[0]
    monkeypatch.undo()
    there = stored(server.uri, "stream")
    assert len(there) == 1 + 2 + 1
    assert there == stored(undisturbed.tracker.uri, "stream")


def test_a_server_that_is_slow_all_along_is_given_up_and_completed_by_the_next_sync(server: Server) -> None:
    server.start()
    children = tuple(RunRecord(f"slow/{number}", f"child {number}") for number in range(6))
    record = RunRecord("slow", "slow", metrics=(("a/b", 1.0, 1),), children=children)
    with slow_line(server.port, delay=0.25) as address:
        with pytest.raises(TrackingError, match="too slow"):
            Tracker(address).sync("slow", record, within=1)
        assert len([key for key in stored(server.uri, "slow") if key.startswith("slow")]) <= len(children), (
            "given up on the way"
        )
        Tracker(address).sync("slow", record)
    there = stored(server.uri, "slow")
    assert {key for key in there if key.startswith("slow")} == {record.key, *(child.key for child in children)}


def test_a_file_of_a_model_that_a_server_lost_is_sent_again_and_once(server: Server) -> None:
    server.start()
    saves = []

    def save(folder: Path, about: Any) -> None:
        saves.append(folder)
        (folder / "data" / "a").mkdir(parents=True)
        about.save(str(folder / "MLmodel"))
        (folder / "data" / "a" / "weights.txt").write_text("weights", encoding="utf-8")

    model = TrackedModel("key of a model", "a", save, files={"data/a/weights.txt": 7})
    for _ in range(2):
        Tracker(server.uri).sync("lost", RunRecord("lost", "lost", models=(model,)))
    (path,) = (server.folder / "artifacts").rglob("weights.txt")
    path.write_text("w", encoding="utf-8")
    for _ in range(2):
        Tracker(server.uri).sync("lost", RunRecord("lost", "lost", models=(model,)))
    assert (path.read_text(encoding="utf-8"), len(saves)) == ("weights", 2)


def test_what_a_server_has_is_not_sent_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    import requests

    server.start()
    sent: list[str] = []
    send = requests.Session.send

    def counted(self: requests.Session, request: Any, **options: Any) -> Any:
        sent.append(f"{request.method} {request.path_url.partition('?')[0]}")
        return send(self, request, **options)

    monkeypatch.setattr(requests.Session, "send", counted)
    models = tuple(TrackedModel(f"key {name}", name, _smallest, files={"weights.txt": 7}) for name in "ab")
    files = {"report.html": b"page", "report/report.html": b"page", "report/previews/curve.png": b"png"}
    record = RunRecord("sent", "sent", metrics=(("a/b", 1.0, 1),), artifacts=files, models=models)
    Tracker(server.uri).sync("sent", record)
    assert len([request for request in sent if request.startswith("PUT ")]) == 3 + 2 * 2, "a request for each file"
    sent.clear()
    Tracker(server.uri).sync("sent", record)
    listings = [request for request in sent if request == "GET /api/2.0/mlflow-artifacts/artifacts"]
    questions = ["experiments/get-by-name", "runs/search", "logged-models/search"]
    assert len(listings) == 3 + 2, "of each folder"
    assert [request.partition("/mlflow/")[2] for request in sent if request not in listings] == questions


def test_a_model_of_two_runs_is_written_once(server: Server) -> None:
    server.start()
    model = TrackedModel("of both", "of both", _smallest, files={"weights.txt": 7})
    children = tuple(RunRecord(f"both/{name}", name, models=(model,)) for name in "ab")
    tracker = Tracker(server.uri)
    tracker.sync("shared", RunRecord("both", "both", children=children))
    experiment = tracker._client.get_experiment_by_name("shared").experiment_id
    assert len(list(tracker._client.search_logged_models([experiment]))) == 1


def _smallest(folder: Path, about: Any) -> None:
    folder.mkdir()
    about.save(str(folder / "MLmodel"))
    (folder / "weights.txt").write_text("weights", encoding="utf-8")
