"""The command line as a person and as a script meet it: what is printed, where, and the exit code."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from safetensors import SafetensorError

import adapter_workbench
from adapter_workbench.__main__ import main
from adapter_workbench._platform import POSIX
from adapter_workbench.experiments.cli import COMMANDS
from adapter_workbench.experiments.engine import diagnosis
from adapter_workbench.experiments.terminal.experiment import command_given
from adapter_workbench.experiments.workspace import Workspace, find_workspace
from adapter_workbench.tasks.loading.registry import writable_folder
from tests.conftest import Call
from tests.messages import lacks
from tests.runs import RECOMPUTE

LISTS = ("backbones", "compositions", "methods", "probes", "recipes", "routers", "scenarios", "strategies", "tasks")


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_help_is_fast_and_imports_nothing_heavy() -> None:
    program = (
        "import sys; sys.argv = ['workbench', '--help']; before = {*sys.modules}\n"
        "from adapter_workbench.experiments.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'transformers', 'pandas', 'mlflow', 'datasets'} & set(sys.modules)))\n"
        "print(len(sys.modules.keys() - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    *_, heavy, modules = done.stdout.splitlines()
    assert heavy == "[]"
    assert int(modules) < 190  # of which typer has most; a clock would measure the machine
    assert all(name in done.stdout for name in COMMANDS.names())


def test_what_computes_nothing_does_not_wait_for_torch() -> None:
    program = (
        "import sys, adapter_workbench.experiments.api\n"
        "print({'torch', 'transformers', 'peft', 'adapters'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("command", COMMANDS.names())
def test_every_command_explains_itself(command: str, call: Call) -> None:
    code, out, _ = call(command, "--help")
    assert code == 0
    assert "Usage: workbench" in out
    assert len(COMMANDS.describe(command)) > 10


@pytest.mark.parametrize("command", LISTS)
def test_lists_are_json_for_scripts_and_tables_for_people(command: str, call: Call) -> None:
    code, out, err = call(command, "list", "--json")
    entries = json.loads(out)
    assert (code, err) == (0, "")
    assert all(entry["name"] and entry["description"] for entry in entries)
    assert not [entry for entry in entries if "``" in entry["description"]], "the markup of docstrings"
    code, out, err = call(command, "list")
    assert entries[0]["name"] in out


@pytest.mark.parametrize(
    ("command", "setting", "meant"),
    [
        ("train animals --method lora", "seed=1", "--seed 1"),
        ("train animals --method lora", "method=full", "--method full"),
        ("train animals --method lora", "budget.backbone=bert", "--backbone bert"),
        ("add animals", "register=true", None),  # an option of another command
        ("fuse animals --from a,b --method ties", "shots=8", "--shots 8"),
        ("train animals --method lora", "register=true", "--register"),
        ("train animals --method lora", "budgets.epochs=2", "Did you mean budget?"),
        ("run stream.yaml --dry-run", "budgets.epochs=2", "Did you mean budget?"),
        ("run stream.yaml --dry-run", "seed=1", "Did you mean seeds?"),
    ],
)
def test_set_names_the_option_that_was_meant(
    command: str, setting: str, meant: str | None, recipe: Path, call: Call
) -> None:
    code, out, err = call(*command.split(), "--tasks", "tasks", "--set", setting)
    assert (code, out) == (2, "")
    assert not lacks(err, f"--set {setting}", "unknown key", meant or "Available: ")
    assert meant or "option of its own" not in err


def test_run_report_and_mlflow(recipe: Path, call: Call, tmp_path: Path) -> None:
    code, out, err = call("run", str(recipe), "--dry-run", "--json")
    assert code == 0, err
    assert len(json.loads(out)["pieces"]) == 6
    assert not (tmp_path / ".workbench").exists(), "a dry run changes nothing"

    code, out, err = call("run", str(recipe))
    assert code == 0, err
    assert "isolated" in out
    assert "workbench ui" in out
    assert "arning" not in err

    code, out, err = call("report", "stream", "--json", "--full", "--html", "page.html")
    document = json.loads(out)
    isolated, sequential = document["strategies"]["isolated"], document["strategies"]["sequential"]
    assert isolated["metrics"]["forgetting"]["mean"] == 0.0
    assert sequential["metrics"]["forgetting"]["mean"] > 0.0
    assert isolated["matrix"][0] == [None, None, None]
    (tmp_path / "report.json").write_text(call("report", "stream", "--json")[1])
    again = subprocess.run([sys.executable, RECOMPUTE, "report.json"], capture_output=True, text=True)
    assert (again.returncode, again.stderr) == (0, ""), again.stdout
    assert "0 differ; 0 need what this file does not have." in again.stdout
    assert isolated["cells"] == {"measured": 3, "verified": 2, "carried": 1}
    assert "<html" in (tmp_path / "page.html").read_text()
    assert set(document) >= {"experiment", "tasks", "reference", "strategies"}
    exports = ("--latex", "tables.tex", "--csv", "tables", "--figures", "pictures", "--format", "svg")
    code, out, err = call("report", "stream", *exports)
    assert code == 0, err
    assert "Written: tables/strategies.csv" in out
    assert (tmp_path / "tables.tex").read_text().count(r"\toprule") == len([*(tmp_path / "tables").iterdir()])
    assert (tmp_path / "pictures" / "accuracy-matrices.svg").read_bytes().startswith(b"<?xml")
    for ending in ("html", "json", "tex"):
        code, out, err = call("report", "stream", "--out", f"out.{ending}")
        assert (code, f"Written: out.{ending}" in out) == (0, True), err
    assert (tmp_path / "out.html").read_bytes() == (tmp_path / "page.html").read_bytes()
    assert (tmp_path / "out.tex").read_bytes() == (tmp_path / "tables.tex").read_bytes()
    assert json.loads((tmp_path / "out.json").read_text()) == json.loads(call("report", "stream", "--json")[1])
    assert call("report", "stream", "--out", "out.json", "--full", "--overwrite")[0] == 0
    assert json.loads((tmp_path / "out.json").read_text()) == document
    before = files(tmp_path)
    for option, path, refused in (
        ("--out", "out.json", "out.json"),
        ("--html", "page.html", "page.html"),
        ("--latex", "page.html", "page.html"),
        ("--csv", "tables", "tables/strategies.csv"),
        ("--figures", "pictures", "pictures/accuracy-matrices.svg"),
    ):
        (tmp_path / refused).write_text("precious")
        form = ["--format", "svg"] if option == "--figures" else []
        code, out, err = call("report", "stream", option, path, *form)
        assert (code, out, (tmp_path / refused).read_text()) == (2, "", "precious")
        assert lacks(err, f"{refused}: ", "already\n  --overwrite") == []
        assert call("report", "stream", option, path, *form, "--overwrite")[0] == 0
        assert (tmp_path / refused).read_text() != "precious"
    assert files(tmp_path) == before
    code, out, err = call("report", "stream", "--overwrite")
    assert (code, out, "--overwrite needs a file" in err) == (2, "", True)
    code, out, err = call("report", "stream", "--format", "svg")
    assert (code, out) == (2, "")
    assert "--format needs --figures DIR" in err
    code, out, err = call("report", "stream", "--html", "pages/page.html")
    assert (code, out, (tmp_path / "pages").exists()) == (2, "", False)
    assert lacks(err, "Error: pages/page.html: ", "'pages'\n", "mkdir -p pages\n") == []

    code, out, err = call("run", str(recipe), "--json")
    assert json.loads(out)["strategies"].keys() == document["strategies"].keys()
    assert "steps" not in err, "nothing is trained a second time"

    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/.workbench/mlflow.db")
    experiment = client.get_experiment_by_name("stream")
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 3
    assert code == 0

    code, out, err = call("report")
    assert "stream" in out
    code, out, err = call("report", "stream", "--log")
    assert code == 0
    assert len(client.search_runs([experiment.experiment_id])) == 3


OUTS = {
    "report stream": (".html", ".json", ".tex"),
    "examine bert other": (".html", ".json", ".tex"),
    "evaluate animals --file rows.csv": (".csv", ".jsonl", ".parquet", ".json"),
    "predict animals --file rows.csv": (".csv", ".jsonl", ".parquet", ".json"),
}


@pytest.mark.parametrize("command", OUTS)
def test_out_means_the_same_in_every_command_that_has_it(command: str, call: Call, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,label\nthe cat,first\n")
    (tmp_path / "here.json").write_text("precious")
    code, out, err = call(*command.split(), "--out", "out.docx")
    assert (code, out) == (2, "")
    assert not lacks(err, "out.docx: cannot tell the format to write", "Known: ", *OUTS[command])
    code, out, err = call(*command.split(), "--out", "here.json")
    assert (code, out, err) == (2, "", "Error: here.json: this file exists already\n  --overwrite replaces it.\n")
    code, out, err = call(*command.split(), "--out", "nowhere/out.json")
    assert (code, out, "there is no folder 'nowhere'" in err) == (2, "", True)
    assert files(tmp_path) == {"rows.csv", "here.json"}


@pytest.mark.parametrize(
    "given", ["--html r.html", "--out r.html", "--latex t.tex", "--csv t", "--figures f", "--format png", "--log"]
)
def test_what_a_report_is_written_to_needs_the_name_of_an_experiment(given: str, call: Call, tmp_path: Path) -> None:
    code, out, err = call("report", *given.split())
    assert (code, out, files(tmp_path)) == (2, "", set())
    assert err.startswith(f"Error: {given.split()[0]}: no experiment is named\n  workbench report EXPERIMENT")


def test_run_goes_on_without_a_tracking_server(recipe: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    code, _, err = call("run", str(recipe), "--set", "tasks=[animals]")
    assert code == 0
    assert err.count("Tracking:") == 1, "trouble is said once"
    assert "workbench report EXPERIMENT --log" in err


def test_train_predict_export_import(recipe: Path, bert: Path, call: Call, tmp_path: Path) -> None:
    train = ["train", "animals", "--method", "lora", "--backbone", str(bert)]
    settings = [
        "--set",
        "learning_rate=0.02",
        "--set",
        "budget={epochs: 16, batch_size: 8, max_length: 16, precision: fp32}",
    ]
    code, out, err = call(*train, *settings, "--json")
    assert code == 0, err
    document = json.loads(out)
    assert Path(document["path"]).is_dir()
    assert set(document["metrics"]) >= {"validation_accuracy", "test_accuracy", "majority"}

    code, out, err = call(*train, *settings, "--json")
    assert json.loads(out) == document
    assert "steps" not in err, "the same command finds the adapter"

    name = document["adapter"]
    code, out, err = call("predict", name, "the cat often", "a plum very", "--json")
    assert [prediction["label"] for prediction in json.loads(out)] == ["first", "second"]
    code, _, err = call("predict", name, "the cat often", "--pair", "a plum very")
    assert (code, "answers for single texts" in err) == (2, True)
    (tmp_path / "texts.csv").write_text("text,n\nthe dog this,1\na fig some,2\n")
    code, out, err = call("predict", "animals", "--file", "texts.csv", "--json")
    assert [prediction["label"] for prediction in json.loads(out)] == ["first", "second"]

    assert call("adapters", "verify")[0] == 0
    assert name.rpartition("-")[2] in call("adapters", "list")[1]
    assert json.loads(call("adapters", "show", name, "--json")[1])["method"] == "lora"
    assert call("adapters", "export", name, "out")[0] == 0
    results = ModelCard.load(tmp_path / "out" / "README.md").data.eval_results
    measured = {(result.dataset_split, result.metric_type): result.metric_value for result in results}
    assert measured["test", "accuracy"] == document["metrics"]["test_accuracy"]
    assert measured["validation", "accuracy"] == document["metrics"]["validation_accuracy"]
    code, out, err = call("adapters", "export", name, "whole", "--merge")
    assert (code, "hf upload" in out) == (0, True), err
    assert (tmp_path / "whole" / "model.safetensors").is_file()
    code, out, err = call("adapters", "export", name, "out")
    assert (code, out) == (2, "")
    (tmp_path / "link").symlink_to(tmp_path / ".workbench" / "adapters")
    before = files(tmp_path)
    for own in (".workbench/adapters/copy", ".workbench/adapters", ".workbench/steps/x/y", "link/copy"):
        for form in ([], ["--merge"], ["--vllm"]):
            code, out, err = call("adapters", "export", name, own, *form)
            assert (code, out) == (2, ""), (own, form)
            assert lacks(err, f"{own}: the workspace ", "\n  Name a folder outside") == []
    assert files(tmp_path) == before
    assert call("adapters", "remove", name)[0] == 0
    assert call("adapters", "show", name)[0] == 2
    code, out, err = call("adapters", "import", "out")
    assert (code, out, "not known in this workspace" in err) == (2, "", True), "its sender's path is not opened"
    assert call("adapters", "import", "out", "--backbone", str(bert))[0] == 0
    (tmp_path / ".workbench/adapters" / name / "README.md").write_text("changed")
    code, out, err = call("adapters", "verify")
    assert code == 1
    assert "README.md has changed" in err
    assert "Traceback" not in err


MISTAKES = {
    "misspelt task": (["train", "animal", "--method", "lora"], "Did you mean animals"),
    "misspelt method": (["train", "animals", "--method", "lorra"], "Did you mean lora"),
    "misspelt command": (["trian"], "Did you mean train"),
    "misspelt backbone": (["train", "animals", "--method", "lora", "--backbone", "minilmm"], "Did you mean minilm"),
    "hub id without an owner": (
        ["train", "animals", "--method", "lora", "--backbone", "bert-base-uncased"],
        "Hub ids are owner/name, as google-bert/bert-base-uncased",
    ),
    "unknown setting": (["train", "animals", "--method", "lora", "--set", "rnk=4"], "Did you mean rank"),
    "unknown budget": (["train", "animals", "--method", "lora", "--set", "budget.epoch=4"], "Did you mean epochs"),
    "two of them": (
        ["train", "animals", "--method", "lora", "--set", "rnk=4", "--set", "budget.epoch=4"],
        "alpha, budget, dropout, learning_rate, optimizer, rank, targets, warmup, weight_decay. --set budget.epoch=4",
    ),
    "wrong type": (["train", "animals", "--method", "lora", "--set", "rank=many"], "rank=many"),
    "assignment without a value": (["train", "animals", "--method", "lora", "--set", "rank"], "expected key=value"),
    "missing method": (["train", "animals"], "needs --method NAME"),
    "missing method of an unknown task": (["train", "anmals"], "no task called 'anmals'"),
    "a method twice": (["compare", "animals", "--methods", "lora,bitfit, lora"], "named more than once: lora"),
    "unknown recipe": (["run", "quikstart"], "Did you mean quickstart"),
    "missing recipe": (["run", "nowhere.yaml"], "nowhere.yaml"),
    "no adapter yet": (["predict", "nothing", "text"], "there are no adapters here yet"),
    "unknown experiment": (["report", "nothing"], "no experiment called 'nothing'"),
    "all seeds without JSON": (["report", "nothing", "--full"], "--full needs --json"),
    "all seeds of no experiment": (["report", "--full", "--json"], "--full: no experiment is named"),
    "nothing logged yet": (["ui"], "nothing has been logged"),
    "import of something else": (["adapters", "import", "tasks"], "there is data here"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_get_one_message_and_change_nothing(mistake: str, recipe: Path, call: Call, tmp_path: Path) -> None:
    arguments, expected = MISTAKES[mistake]
    before = files(tmp_path)
    code, out, err = call(*arguments)
    assert code == 2
    assert out == ""
    assert expected in re.sub(r"\s+", " ", err)
    assert "Traceback" not in err
    assert files(tmp_path) == before


RECIPE_MISTAKES = {
    "unknown key": ("seeds: [0]", "seed: [0]", "line 4: unknown key 'seed'"),
    "unknown task": ("fruits]", "fruit]", "line 3: there is no task called 'fruit'"),
    "unknown strategy": ("strategy: isolated", "strategy: isolatd", "Did you mean isolated"),
    "unknown method": ("method: full", "method: ful", "Did you mean full"),
    "unknown method setting": ("method: full", "method: full, rank: 3", "unknown key 'strategies.sequential.rank'"),
    "no strategy": ("strategy: isolated, ", "", "needs strategy"),
    "reference that is not there": ("reference: sequential", "reference: full", "'reference' names no entry"),
    "too long for the model": ("max_length: 16", "max_length: 65", "line 5: max_length 65 is more than"),
    "task twice": ("fruits]", "animals]", "more than once: animals"),
    "wrong type": ("epochs: 1", "epochs: four", "line 5: 'budget.epochs'"),
    "not YAML": ("tasks: [", "tasks: [[", "not YAML"),
}


@pytest.mark.parametrize("mistake", RECIPE_MISTAKES)
def test_mistakes_in_a_recipe_name_their_line(mistake: str, recipe: Path, call: Call, tmp_path: Path) -> None:
    old, new, expected = RECIPE_MISTAKES[mistake]
    text = recipe.read_text()
    assert old in text
    recipe.write_text(text.replace(old, new))
    before = files(tmp_path)
    code, out, err = call("run", str(recipe))
    assert code == 2
    assert expected in err
    assert out == ""
    assert files(tmp_path) == before


def test_all_mistakes_of_a_recipe_come_in_one_message(recipe: Path, call: Call) -> None:
    text = recipe.read_text().replace("fruits]", "fruit]").replace("method: lora", "method: lara")
    recipe.write_text(text.replace("reference: sequential", "reference: nobody"))
    _, _, err = call("run", str(recipe))
    assert err.count("Did you mean") >= 2
    assert "'reference' names no entry" in err


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("label: label", "label: labels", "labels"),
        ("columns:", "labels: [first]\ncolumns:", "two labels"),
        ("columns:", "labels: [first, third]\ncolumns:", "second"),
        ("animals-test.csv", "animals-tset.csv", "animals-tset.csv"),
    ],
)
def test_data_that_do_not_fit_are_found_before_anything_is_trained(
    old: str, new: str, expected: str, recipe: Path, call: Call, tmp_path: Path
) -> None:
    path = tmp_path / "tasks" / "animals.yaml"
    path.write_text(path.read_text().replace(old, new, 1))
    code, _, err = call("run", str(recipe))
    assert code == 2
    assert expected in err
    assert not (tmp_path / ".workbench").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("by", ["python", "safetensors"])
def test_full_disk_is_one_message(by: str, recipe: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        if by == "safetensors":
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        Path("/dev/full").write_text("x")

    monkeypatch.setattr("adapter_workbench.experiments.workspace.evaluations.Evaluations.save", full)
    code, _, err = call("run", str(recipe))
    assert code == 1
    assert "no space left" in err
    assert "Traceback" not in err


def test_ctrl_c_is_one_message(recipe: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("adapter_workbench.experiments.workspace.evaluations.Evaluations.save", interrupt)
    code, _, err = call("run", str(recipe))
    assert code == 130
    assert "the same command" in err
    assert "Traceback" not in err


def test_ctrl_c_promises_nothing_where_nothing_is_continued(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("adapter_workbench.tasks.loading.registry.user_folders", interrupt)
    code, out, err = call("tasks", "list")
    assert (code, out, err.strip()) == (130, "", "Stopped.")


def test_ctrl_c_during_the_imports_is_one_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("adapter_workbench.experiments.cli.main", interrupt)
    with pytest.raises(SystemExit) as leaving:
        main()
    assert (leaving.value.code, capsys.readouterr().err) == (130, "Stopped.\n")


def test_windows_is_refused_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("adapter_workbench._platform.ON_WINDOWS", True)
    with pytest.raises(SystemExit) as leaving:
        main()
    assert (leaving.value.code, capsys.readouterr().err) == (2, f"Error: {POSIX}\n")
    with pytest.raises(ImportError, match="Linux and macOS"):
        _ = adapter_workbench.Workbench


@pytest.mark.parametrize(
    ("stream", "arguments", "expected"),
    [
        ("stdin", ["predict", "animals"], 2),
        ("stdout", ["tasks", "list", "--json"], 0),
        ("stderr", ["predict", "animals", "the cat"], 2),
    ],
)
def test_a_closed_stream_is_empty(
    stream: str, arguments: list[str], expected: int, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, stream, None)
    assert call(*arguments)[0] == expected
    getattr(sys, stream).close()


def test_a_current_folder_that_was_deleted_is_one_message(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    code, out, err = call("adapters", "list")
    assert (code, out) == (2, "")
    assert (lacks(err, "Error: ", "deleted", "cd"), "Traceback" in err) == ([], False)


def test_the_home_folder_is_found_where_no_shell_has_replaced_its_sign(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / "pets.csv").write_text("text,label\nthe cat,animal\na fig,fruit\n" * 20)
    code, _, err = call("tasks", "new", "pets", "--from", "~/pets.csv", "--tasks=~/mine")
    assert code == 0, err
    assert (home / "mine" / "pets.yaml").is_file()
    monkeypatch.setenv("WORKBENCH_TASKS", "~/mine")
    monkeypatch.setenv("WORKBENCH_HOME", "~/kept")
    assert "pets" in call("tasks", "list")[1]
    assert writable_folder() == home / "mine"
    assert find_workspace(None).root == home / "kept"
    assert f"{home}/other: there are no adapters here" in call("predict", "pets", "x", "--workspace=~/other")[2]
    assert f"{home}/no.csv: no such file" in call("predict", "pets", "--file=~/no.csv")[2]
    assert not (tmp_path / "~").exists()


def test_doctor_finds_what_is_needed(call: Call) -> None:
    code, out, _ = call("doctor", "--json")
    findings = {finding["name"]: finding for finding in json.loads(out)}
    assert code == 0
    assert findings["torch"]["works"]
    assert findings["tracking"]["works"]
    assert all(finding["works"] or finding["remedy"] for finding in findings.values()), "nobody is left alone"
    assert "HF_HUB_OFFLINE" in findings["hub"]["detail"]
    assert "hub" not in {finding["name"] for finding in json.loads(call("doctor", "--json", "--offline")[1])}


def test_doctor_says_where_a_disk_is_nearly_full(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter_workbench.experiments.engine.diagnosis.free_bytes", lambda folder: 1_900_000_000)
    code, out, _ = call("doctor", "--offline", "--json")
    (disk,) = [finding for finding in json.loads(out) if finding["name"] == "disk"]
    assert (code, disk["works"], disk["needed"], disk["detail"][:11]) == (1, False, True, "1.9 GB free")
    assert disk["remedy"].startswith("make 2 GB free")


def test_doctor_does_not_wait_for_a_hub_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:  # takes the connection, and says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(diagnosis, "PATIENCE", 0.2)
        finding = diagnosis._hub()
        assert finding.detail == f"http://127.0.0.1:{silent.getsockname()[1]} does not answer (ReadTimeout)"
    assert (finding.works, finding.needed) == (False, False)
    assert "need no hub" in finding.remedy


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["table", "json"])
def test_doctor_keeps_the_tracking_server_s_password_to_itself(
    form: list[str], call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    monkeypatch.setattr("adapter_workbench.workbench.mlflow.tracker.Tracker.ping", lambda tracker: None)
    _, out, err = call("doctor", "--offline", *form)
    assert "http://127.0.0.1:9 answers" in re.sub(r"\s+", " ", out)
    assert "secret" not in out + err


@pytest.mark.parametrize("works", [True, False])
def test_doctor_keeps_the_hub_s_password_to_itself(works: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def head(*_: object, **__: object) -> None:
        if not works:
            raise OSError("http://user:secret@127.0.0.1:9 is silent")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://user:secret@127.0.0.1:9")
    monkeypatch.setattr("requests.head", head)
    wanted = "http://…@127.0.0.1:9 answers" if works else "http://…@127.0.0.1:9 does not answer (OSError)"
    assert diagnosis._hub().detail == wanted


def test_a_command_is_stored_without_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["workbench", "run", "r.yaml", "--cluster", "ray://ann:secret@head:10001"])
    assert command_given() == "workbench run r.yaml --cluster 'ray://…@head:10001'"


def test_doctor_knows_whether_something_was_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    workspace = Workspace(tmp_path)
    assert diagnosis._tracking(workspace).detail == f"sqlite:///{tmp_path}/mlflow.db (made when something is logged)"
    (tmp_path / "mlflow.db").touch()
    assert diagnosis._tracking(workspace).detail == f"sqlite:///{tmp_path}/mlflow.db"


@pytest.mark.parametrize(("no_color", "coloured"), [("1", False), (None, True)])
def test_no_color_is_respected(no_color: str | None, coloured: bool) -> None:
    program = (
        "from adapter_workbench.experiments.terminal.output import stdout\n"
        "stdout.print('cell', style='white on #00224e')"
    )
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environment |= {"FORCE_COLOR": "1", "TERM": "xterm-256color", **({"NO_COLOR": no_color} if no_color else {})}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert ("48;5;" in done.stdout or "48;2;" in done.stdout) is coloured
    assert "cell" in done.stdout


HELP = {
    "train": [
        *("[default: ($WORKBENCH_HOME, else ./.workbench)]", "[default: minilm]"),
        "see `workbench methods list`. Required.",
    ],
    "predict": ["{ID} [TEXT]...", "--overwrite"],
    "report": ["[EXPERIMENT]"],
    "adapters verify": ["[ID]"],
}


@pytest.mark.parametrize("command", HELP)
def test_help_keeps_what_stands_in_brackets(command: str, call: Call) -> None:
    code, out, _ = call(*command.split(), "--help")
    assert code == 0
    for phrase in HELP[command]:
        assert phrase in " ".join(out.split())


@pytest.mark.parametrize("command", [[], ["adapters"], ["tasks"]])
def test_a_group_alone_prints_its_commands_uncut(command: list[str], call: Call) -> None:
    code, out, err = call(*command)
    assert (code, out) == (2, "")
    assert "Commands:" in err
    assert "List" in err
    assert "..." not in err.replace("[ARGS]...", "")


def test_the_version_is_told(call: Call) -> None:
    from importlib.metadata import version

    assert call("--version") == (0, f"workbench {version('adapter-workbench')}\n", "")


@pytest.mark.parametrize(
    ("given", "option", "meant"),
    [
        ("--workspace X train bbc-news", "--workspace", "train bbc-news --workspace X"),
        ("--workspace='my work' train bbc-news", "--workspace", "train bbc-news '--workspace=my work'"),
        ("--method lora --workspace X train bbc-news", "--method", "train bbc-news --method lora --workspace X"),
        ("--json tasks list", "--json", "tasks list --json"),
        ("tasks --json list", "--json", "tasks list --json"),
    ],
)
def test_an_option_before_its_command_is_told_where_it_goes(call: Call, given: str, option: str, meant: str) -> None:
    code, out, err = call(*shlex.split(given))
    assert (code, out) == (2, "")
    assert lacks(err, f"Error: {option} ", f": workbench {meant}\n") == []


def test_a_file_without_its_option_is_told(call: Call, tmp_path: Path) -> None:
    (tmp_path / "labelled.csv").write_text("text,label\na,b\n", encoding="utf-8")
    code, out, err = call("evaluate", "tickets", str(tmp_path / "labelled.csv"))
    assert (code, out) == (2, "")
    assert f": --file {tmp_path}" in err
    assert "unexpected extra argument" in call("evaluate", "tickets", str(tmp_path / "nowhere.csv"))[2]


@pytest.mark.parametrize("given", ["--workspace X", "--nope train x", "--workspace X tasks list", "train --nope x"])
def test_an_option_that_no_command_takes_is_unknown(call: Call, given: str) -> None:
    code, _, err = call(*given.split())
    assert code == 2
    assert "No such option" in err
