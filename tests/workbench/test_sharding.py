"""Two processes that share weights and batches (FSDP2) come to the weights of one, and store them whole and once.

The processes are started as `accelerate launch` starts them, but by this test: a launcher looks for the machine's name
in the network first, which can take a minute.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine import processes
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget, MethodSettings
from adapter_workbench.workbench.training import Lesson, fit, teach
from tests import two_processes
from tests.conftest import Call
from tests.patience import PATIENCE

SHARDED = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
AS_LAUNCHED = {"FSDP_CPU_RAM_EFFICIENT_LOADING": "true", "FSDP_FORWARD_PREFETCH": "false", **SHARDED}
Found = dict[str, Any]


@pytest.fixture(scope="module")
def models(bert: Path, llama: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A BERT and a LLaMA without dropout: two processes draw other masks than one."""
    calm = tmp_path_factory.mktemp("calm") / "bert"
    shutil.copytree(bert, calm)
    config = json.loads((calm / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (calm / "config.json").write_text(json.dumps(config))
    return [calm, llama]


@pytest.fixture(
    scope="module",
    params=[pytest.param(shares, marks=pytest.mark.acceptance) for shares in (AS_LAUNCHED, {})],
    ids=["weights and batches", "batches"],
)
def both(request: pytest.FixtureRequest, models: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Found]:
    """The reports of the two processes."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    shared |= {"XDG_CACHE_HOME": str(folder / "cache"), "GLOO_SOCKET_IFNAME": "lo", **request.param}
    shared |= {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "tests.two_processes", *map(str, models), str(folder)]
    started = [
        subprocess.Popen(
            command,
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=PATIENCE) for process in started]
    assert not any(process.returncode for process in started), outputs[0][1]
    reports = [json.loads(out) for out, _ in outputs]
    for report in reports:
        report["sharded"] = bool(request.param)
    return reports


@pytest.fixture(scope="module")
def alone(models: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Found:
    """The reports of one process, with as many examples in a step."""
    folders, into = dict(zip(("bert", "llama"), models, strict=True)), tmp_path_factory.mktemp("alone")
    return {
        name: two_processes.learned(folders[folder], into / name, method, kind, "fp32")
        for name, (folder, method, kind, _) in two_processes.CASES.items()
    }


def weights(report: Found) -> dict[str, torch.Tensor]:
    files = sorted(Path(report["folder"]).glob("*.safetensors"))
    return {f"{file.name} {name}": tensor for file in files for name, tensor in load_file(file).items()}


@pytest.mark.parametrize("case", two_processes.CASES)
def test_the_weights_are_those_of_one_process(both: list[Found], alone: Found, case: str) -> None:
    """Up to the order in which a mean over 16 examples is summed: each number has 24 bits, and there are 6 steps.

    The gradient of the bias of attention's keys is 0, whatever the data: it adds the same to all scores of a query.
    AdamW turns the rounding errors in it into steps of the learning rate's size.
    """
    first, single = both[0][case], alone[case]
    assert first["steps"] == single["steps"] == 6
    torch.testing.assert_close(first["losses"], single["losses"], rtol=1e-5, atol=1e-5)
    ours, wanted = weights(first), weights(single)
    assert ours.keys() == wanted.keys(), "they are stored whole"
    for name, weight in wanted.items():
        atol = 6e-3 if name.endswith("key.bias") else 2e-6
        torch.testing.assert_close(
            ours[name], weight, rtol=1e-5, atol=atol, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("case", two_processes.CASES)
def test_each_process_holds_a_part_and_answers_like_the_other(both: list[Found], alone: Found, case: str) -> None:
    first, second = (report[case] for report in both)
    assert first["dealt"] == second["dealt"] == [both[0]["sharded"]] * 2
    assert first["answers"] == second["answers"]
    assert first["likelihood"] == pytest.approx(alone[case]["likelihood"], abs=1e-5)


@pytest.mark.parametrize("case", two_processes.CASES)
def test_the_first_process_stores_the_adapter(both: list[Found], case: str) -> None:
    assert [report[case]["written"] for report in both] == [1, 0]


def test_a_fit_that_was_cut_off_comes_to_the_same_files(both: list[Found]) -> None:
    assert [report["resumed"] for report in both] == [True, True]


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "0", **SHARDED}.items():
        monkeypatch.setenv(name, value)


def lesson_of(backbone: Backbone, task: Task, method: str, settings: MethodSettings | None = None) -> Lesson:
    adaptation = Adaptation(backbone, method, settings or METHODS.get(method).settings(), "fp32")
    return Lesson(task, adaptation, Budget(epochs=1, max_length=16), 0)


@pytest.mark.usefixtures("launched")
def test_what_needs_whole_weights_is_refused(backbone: Backbone, task: Task) -> None:
    packed = METHODS.get("full").settings(optimizer="adamw-8bit")
    for method, settings, why in (
        ("adalora", None, "adalora does more than gradient steps"),
        ("full", packed, "adamw-8bit packs its states"),
    ):
        with pytest.raises(InputError, match=f"--use_fsdp: .*: {why}\n.*Leave --use_fsdp out"):
            teach(lesson_of(backbone, task, method, settings), Silent(), "test")
    with pytest.raises(InputError, match="is quantised"):
        teach(lesson_of(backbone.quantized("nf4"), task, "lora"), Silent(), "test")


@pytest.mark.usefixtures("launched")
def test_a_penalty_on_the_weights_is_refused(backbone: Backbone, task: Task) -> None:
    lesson = lesson_of(backbone, task, "full")
    model = lesson.adaptation.fresh("classification", 2, 0)
    model.penalty = lambda batch: batch.read.sum()
    with pytest.raises(InputError, match="strategy compares the weights"):
        fit(model, task, lesson.adaptation, lesson.budget, 0, Silent(), "test")


@pytest.mark.usefixtures("launched")
def test_the_first_version_is_refused(call: Call, bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.streams import write_recipe

    write_recipe(Path(), bert)
    monkeypatch.setenv("FSDP_VERSION", "1")
    code, out, err = call(
        "train",
        "animals",
        "--method",
        "full",
        "--backbone",
        str(bert),
        "--tasks",
        "tasks",
        "--set",
        "budget.max_length=16",
    )
    assert (code, out) == (2, "")
    assert "--use_fsdp: FSDP of version 1 is not supported" in err
    assert "--fsdp_version 2" in err
    assert "Traceback" not in err


def test_a_key_tells_whether_the_weights_were_shared(
    backbone: Backbone, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of a sum may differ; what one process learned before keeps its key."""
    alone = lesson_of(backbone, task, "full").key
    monkeypatch.setenv("WORLD_SIZE", "2")
    shared = lesson_of(backbone, task, "full").key
    for name, value in {"RANK": "0", **SHARDED}.items():
        monkeypatch.setenv(name, value)
    assert len({alone, shared, lesson_of(backbone, task, "full").key}) == 3
    assert processes.sharing() == "2, sharded"
