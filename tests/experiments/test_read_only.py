"""A workspace that can only be read, as a colleague's is: all that reads works, all that writes is one message."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from adapter_workbench.experiments.engine.publish import writing_tracker
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.errors import TrackingError
from tests.conftest import Call
from tests.read_only import read_only, with_modes
from tests.streams import write_recipe

FEW = ["tasks=[animals, halves]", "seeds=[0]", "budget.epochs=1", "budget.train_examples=16"]
FEW += ["strategies={isolated: {strategy: isolated, method: lora, learning_rate: 0.02}}", "reference=isolated"]
LENGTH = ["--set", "budget.max_length=16"]
SETTINGS = [word for setting in FEW for word in ("--set", setting)]


@pytest.fixture(scope="module")
def made(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tasks, a recipe, and nothing else yet."""
    folder = tmp_path_factory.mktemp("read-only")
    write_recipe(folder, bert)
    return folder


@pytest.fixture
def finished(made: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workspace of a stream that came to its end; commands run beside it."""
    monkeypatch.chdir(made)
    if not (made / ".workbench").exists():
        code, _, err = call("run", "stream.yaml", *SETTINGS)
        assert code == 0, err
    return made / ".workbench"


def content(root: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("*") if path.is_file()}


def test_what_only_reads_works(finished: Path, call: Call, tmp_path: Path) -> None:
    ids, before = AdapterStore(finished / "adapters").ids(), content(finished)
    adapter, among = ids[0], ",".join(ids)
    exported = tmp_path / "given" / "exported"
    document = json.loads(call("report", "stream", "--json")[1])
    with read_only(finished):
        with pytest.raises(PermissionError):
            (finished / "new").touch()
        for command in (
            ["report", "stream"],
            ["report"],
            ["adapters", "list"],
            ["adapters", "show", adapter],
            ["adapters", "verify"],
            ["adapters", "export", adapter, str(exported)],
            ["predict", adapter, "the dog sleeps"],
            ["predict", "router:arrow", "the dog sleeps", "--among", among],
            ["predict", "router:prototype", "the dog sleeps", "--among", among],
            ["gate", adapter, "--min-score", "2", "--max-ece", "100"],
            ["gate", "stream", "--min-average", "2"],
            ["run", "stream.yaml", *SETTINGS, "--dry-run"],
            ["doctor", "--offline"],
        ):
            code, out, err = call(*command)
            assert code == 0, (command, err)
            assert out
            assert "Traceback" not in err
        assert json.loads(call("report", "stream", "--json")[1]) == document
    assert content(finished) == before
    assert [*exported.parent.iterdir()] == [exported]
    assert AdapterStore(tmp_path / "adapters").import_(exported, "tiny").id == adapter


def test_a_run_that_is_finished_prints_its_report(finished: Path, call: Call) -> None:
    before, shown = content(finished), call("report", "stream")[1]
    with read_only(finished):
        code, out, err = call("run", "stream.yaml", *SETTINGS)
        assert code == 0, err
        assert "workspace cannot be written" in err
        assert out.startswith(shown)
        code, _, err = call("run", "stream.yaml", *SETTINGS, "--set", "budget.epochs=2", "--set", "name=other")
        assert code == 2
        assert "cannot write" in err
    assert content(finished) == before


@pytest.mark.parametrize(
    "command",
    [
        ["adapters", "remove", "ID"],
        ["adapters", "import", "EXPORTED"],
        ["adapters", "export", "ID", "WORKSPACE/exported"],
        ["train", "animals", "--method", "lora", "--backbone", "BACKBONE", *LENGTH],
        ["report", "stream", "--html", "WORKSPACE/report.html"],
        ["report", "stream", "--csv", "WORKSPACE/tables"],
        ["predict", "ID", "--file", "texts.csv", "--out", "WORKSPACE/answers.csv"],
    ],
)
def test_what_writes_is_one_message(
    command: list[str], finished: Path, call: Call, tmp_path: Path, bert: Path, made: Path
) -> None:
    store = AdapterStore(finished / "adapters")
    adapter = store.ids()[0]
    exported = tmp_path / "exported"
    shutil.copytree(store.root / adapter, exported)
    manifest = json.loads((exported / "manifest.json").read_text()) | {"id": f"{adapter}-2"}
    del manifest["sha256"]
    (exported / "manifest.json").write_text(json.dumps(manifest))
    (made / "texts.csv").write_text("text\nthe dog sleeps\n")
    words = {"ID": adapter, "EXPORTED": str(exported), "BACKBONE": str(bert)}
    before = content(finished)
    with read_only(finished):
        given = [words.get(word, word.replace("WORKSPACE", str(finished))) for word in command]
        code, _, err = call(*given)
    assert code == 2, err
    assert err.splitlines()[-1].startswith(("Error: ", "  ")), err
    assert "Permission denied" in err
    assert str(finished) in err
    assert "Traceback" not in err
    assert content(finished) == before


@pytest.mark.parametrize(
    "command", [["adapters", "register", "ID"], ["adapters", "rollback", "animals"], ["report", "stream", "--log"]]
)
def test_nothing_is_logged_to_a_store_that_can_only_be_read(command: list[str], finished: Path, call: Call) -> None:
    before, adapter = content(finished), AdapterStore(finished / "adapters").ids()[0]
    with read_only(finished):
        code, _, err = call(*[adapter if word == "ID" else word for word in command])
    assert code == 1, err
    assert "mlflow.db: " in err
    assert len(err.splitlines()) <= 3
    assert content(finished) == before


def test_a_database_that_alone_can_only_be_read_is_one_message(finished: Path, call: Call) -> None:
    """MLflow logs a page about each of its errors."""
    before, adapter = content(finished), AdapterStore(finished / "adapters").ids()[0]
    with with_modes({finished / "mlflow.db": 0o444}):
        code, _, err = call("run", "stream.yaml", *SETTINGS)
        assert (code, err.count("Tracking: ")) == (0, 1), err
        assert len(err.splitlines()) <= 5
        code, _, err = call("adapters", "register", adapter)
    assert code == 1, err
    assert len(err.splitlines()) <= 3
    assert content(finished) == before


def test_such_a_store_is_known_at_a_path_that_needs_escapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = tmp_path / "my? work%20 ü"
    root.mkdir()
    (root / "mlflow.db").touch()
    with read_only(root), pytest.raises(TrackingError, match="only be read"):
        writing_tracker(Workspace(root))


@pytest.mark.parametrize("path", ["folder", "file.txt/inside.html", "/dev/full", f"{'n' * 300}.html"])
def test_a_report_goes_nowhere_where_no_file_can_be(path: str, finished: Path, call: Call, made: Path) -> None:
    (made / "folder").mkdir(exist_ok=True)
    (made / "file.txt").write_text("precious")
    code, out, err = call("report", "stream", "--html", path)
    assert (code, out) == (2, "")
    assert "cannot write here" in err
    assert len(err.splitlines()) <= 2
    assert (made / "file.txt").read_text() == "precious"
