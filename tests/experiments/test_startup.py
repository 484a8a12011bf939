"""What commands import: a mistake is told before anything heavy is there, and work brings what it uses and no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import environment
from tests.streams import write_tasks

pytestmark = pytest.mark.acceptance  # a process for each command

HEAVY = {
    *("torch", "transformers", "peft", "adapters", "accelerate", "bitsandbytes"),
    *("pandas", "pyarrow", "datasets", "scipy", "sklearn", "matplotlib", "mlflow"),
}
PROGRAM = """
import json, sys
from adapter_workbench.experiments.cli import main
sys.argv = ["workbench", *sys.argv[1:]]
try:
    code = main() or 0
except SystemExit as leaving:
    code = leaving.code
sys.stderr.write("\\n" + json.dumps([code, *sys.modules]))
"""


@dataclass(frozen=True)
class Done:
    """What became of a command: exit code, stdout, stderr, and the names of all modules that it imported."""

    code: int
    out: str
    err: str
    modules: frozenset[str]


def command(folder: Path, *arguments: str) -> Done:
    """Run ``workbench …`` in ``folder``, in a process of its own."""
    own = {"WORKBENCH_HOME", "WORKBENCH_TASKS", "MLFLOW_TRACKING_URI"}
    there = {name: value for name, value in environment().items() if name not in own}
    there["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)  # wherever the tests' own code lies
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], cwd=folder, env=there, capture_output=True, text=True, check=True
    )
    err, _, last = done.stderr.rpartition("\n")
    code, *modules = json.loads(last)
    return Done(code, done.stdout, err, frozenset(modules))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where commands run: with two tiny tasks."""
    folder = tmp_path_factory.mktemp("startup")
    write_tasks(folder)
    return folder


@pytest.fixture(scope="module")
def trained(folder: Path, bert: Path) -> Done:
    """What `train` did; its adapter lies in the folder."""
    settings = ["learning_rate=0.02", "budget={epochs: 1, batch_size: 16, max_length: 16, precision: fp32}"]
    given = [word for setting in settings for word in ("--set", setting)]
    return command(folder, "train", "animals", "--method", "lora", "--backbone", str(bert), *given)


REFUSED = {
    "train: task": (["train", "animal", "--method", "lora"], "Did you mean animals"),
    "train: method": (["train", "animals", "--method", "lorra"], "Did you mean lora"),
    "train: setting": (["train", "animals", "--method", "lora", "--set", "rnk=4"], "Did you mean rank"),
    "train: backbone": (["train", "animals", "--method", "lora", "--backbone", "minilmm"], "Did you mean minilm"),
    "predict: router": (["predict", "router:arow", "the cat"], "Did you mean arrow"),
    "predict: adapter": (["predict", "animls", "the cat"], "Did you mean animals"),
    "evaluate: adapter": (["evaluate", "animls", "--file", "tasks/animals-test.csv"], "Did you mean animals"),
    "evaluate: column": (
        ["evaluate", "animals", "--file", "tasks/animals-test.csv", "--label-column", "team"],
        "there is no column 'team'",
    ),
    "drift: task": (["drift", "animls", "--file", "tasks/animals-test.csv"], "Did you mean animals"),
    "drift: column": (
        ["drift", "animals", "--file", "tasks/animals-test.csv", "--label-column", "team"],
        "there is no column 'team'",
    ),
    "run: recipe": (["run", "quikstart"], "Did you mean quickstart"),
    "recipes check: recipe": (["recipes", "check", "quikstart"], "Did you mean quickstart"),
    "compare: task": (["compare", "animal", "--methods", "lora,head"], "Did you mean animals"),
    "compare: method": (["compare", "animals", "--methods", "lora,haed"], "Did you mean head"),
    "fuse: target": (["fuse", "animal", "--from", "animals", "--method", "ties"], "Did you mean animals"),
    "fuse: source": (["fuse", "fruits", "--from", "animls", "--method", "ties"], "Did you mean animals"),
    "fuse: method": (["fuse", "fruits", "--from", "animals", "--method", "tis"], "Did you mean ties"),
    "report: experiment": (["report", "nothing"], "no experiment called 'nothing'"),
    "serve: adapter": (["serve", "animls"], "Did you mean animals"),
    "serve: router": (["serve", "--router", "arow"], "Did you mean arrow"),
    "gate: adapter": (["gate", "animls", "--min-score", "90"], "Did you mean animals"),
    "gate: experiment": (["gate", "nothing", "--max-forgetting", "1"], "no experiment called 'nothing'"),
    "gate: bound": (["gate", "animals", "--min-score", "0.9"], "--min-score 90"),
    "repair: experiment": (["repair", "nothing"], "no experiment called 'nothing'"),
    "repair: method": (["repair", "nothing", "--method", "rewnd"], "Did you mean rewind"),
    "register: bound": (["adapters", "register", "animals", "--min-score", "0.9"], "--min-score 90"),
    "keep: model": (["keep", "smolm2", "--rows", "tasks/animals-test.csv", "--out", "state"], "Did you mean smollm2"),
    "keep: remedy": (["keep", "smollm2", "--for", "ewk", "--out", "state"], "Did you mean ewc"),
    "keep: rows": (["keep", "smollm2", "--out", "state"], "ewc needs rows"),
    "adapters: adapter": (["adapters", "show", "animls"], "Did you mean animals"),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_mistakes_are_told_before_anything_heavy_is_imported(mistake: str, folder: Path, trained: Done) -> None:
    arguments, expected = REFUSED[mistake]
    done = command(folder, *arguments)
    assert (trained.code, done.code, done.out) == (0, 2, "")
    assert expected in done.err
    assert not HEAVY & done.modules


@pytest.mark.parametrize("name", ["add", "gate", "keep", "train", "update"])
def test_help_needs_no_arrays(name: str, folder: Path) -> None:
    done = command(folder, name, "--help")
    assert (done.code, "Usage: workbench" in done.out) == (0, True), done.err
    assert not {*HEAVY, "numpy"} & done.modules


def test_a_recipe_s_mistake_is_told_before_tables_are_imported(folder: Path) -> None:
    """torch comes with the strategies, among whose settings a key is looked for that stands in the wrong place."""
    done = command(folder, "run", "quickstart", "--set", "foo=1")
    assert (done.code, done.out) == (2, "")
    assert "unknown key 'foo'" in done.err
    assert HEAVY & done.modules == {"torch"}


SELDOM = {"matplotlib", "adapters"}
COMPILER = {"torch._dynamo", "torch._inductor", "torch.distributed.fsdp"}  # comes where somebody compiles
PUT_OFF = {"bitsandbytes", "networkx", "sklearn", "scipy"}  # what others import and nothing here needs
TABLES = {"pandas", "pyarrow", "datasets"}


def test_an_answer_needs_no_trainer_and_no_tracking(folder: Path, trained: Done) -> None:
    done = command(folder, "predict", "animals", "the cat", "--json")
    assert (trained.code, done.code) == (0, 0), done.err
    assert json.loads(done.out)[0]["label"] in {"first", "second"}
    assert {"torch", "transformers", "peft"} <= done.modules
    assert not {*SELDOM, *PUT_OFF, *COMPILER, *TABLES, "mlflow", "transformers.trainer"} & done.modules


def test_a_training_needs_no_pictures_and_no_package_of_another_method(trained: Done) -> None:
    assert trained.code == 0, trained.err
    assert {"transformers.trainer", "mlflow"} <= trained.modules
    assert not {*SELDOM, "bitsandbytes", "networkx"} & trained.modules


MARKED = """
import sys
from adapter_workbench.workbench.machine.lazy_imports import import_models
import_models()
assert "torch._dynamo" not in sys.modules
import torch._dynamo
from torch._dynamo import trace_rules
from transformers import PreTrainedModel
function = getattr(PreTrainedModel.can_record_outputs, "fget", None)
assert function is None or id(function) in trace_rules._allowed_callable_ids
from transformers import masking_utils
print(type(masking_utils.TransformGetItemToIndex()).__module__)
"""


def test_whoever_compiles_finds_what_transformers_marked(tmp_path: Path) -> None:
    there = {**environment(), "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", MARKED], cwd=tmp_path, env=there, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "torch._dynamo._trace_wrapped_higher_order_op\n"), done.stderr
