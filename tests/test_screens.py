"""Real commands on tiny models: their screens hold what the workbench says, and nothing that a library tells.

`make test-latest` runs this with the newest transformers too, which shows more than 4.57 does.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import environment
from tests.streams import write_recipe

LIBRARIES = re.compile(
    r"warning|shard|LOAD REPORT|UNEXPECTED|it/s\]|\[transformers\]|newly initialized|not used when"
    "|kernels|site-packages",
    re.IGNORECASE,
)
PROGRAM = """
import sys
from adapter_workbench.experiments.cli import main
for line in sys.stdin.read().splitlines():
    sys.argv = ["workbench", *line.split()]
    print(">>>", line, file=sys.stderr, flush=True)
    try:
        main()
    except SystemExit as leaving:
        assert not leaving.code, (line, leaving.code)
"""
BUDGET = "--set budget.epochs=1 --set budget.batch_size=8 --set budget.max_length=16"
HERE = "--tasks tasks"
TRAININGS = [
    f"train animals --method lora --backbone {{bert}} {BUDGET} {HERE}",
    f"train halves --method lora --backbone {{bert}} {BUDGET} {HERE}",
    f"train fruits --method full --backbone {{bert}} {BUDGET} {HERE}",
    f"train fruits --method lora-fa --backbone {{llama}} {BUDGET} {HERE}",
    f"train said --method lora --backbone {{llama}} {BUDGET} {HERE}",
    f"train written --method full --backbone {{t5}} {BUDGET} {HERE}",
]
SAID = """description: made in tests
kind: {kind}
files: {{train: animals-train.csv, validation: animals-validation.csv, test: animals-test.csv}}
columns: {{text: text, answer: label}}
license: CC0-1.0
max_new_tokens: 2
"""
USES = [
    "adapters list",
    "adapters show animals",
    "adapters export animals out/lora",
    "adapters export animals out/merged --merge",
    "adapters export said out/standard --merge --as causal-lm",
    "adapters import out/lora --task animals --backbone {bert} --tasks tasks --workspace second",
    "adapters verify",
    "predict animals --file tasks/animals-test.csv",
    "evaluate animals --file tasks/animals-test.csv",
    f"fuse fruits --from animals,halves --method ties --shots 8 {BUDGET} {HERE}",
    "serve --help",
    f"run stream.yaml {HERE}",
    "report stream",
    f"examine {{llama}} out/standard --task said --rows 16 --probes none {HERE}",
    "doctor",
]


@pytest.fixture(scope="module")
def screens(tmp_path_factory: pytest.TempPathFactory, bert: Path, llama: Path, t5: Path) -> str:
    """All that these commands write on a person's screen."""
    folder = tmp_path_factory.mktemp("screens")
    recipe = write_recipe(folder, bert)
    recipe.write_text(recipe.read_text().replace("seeds: [0, 1]", "seeds: [0]").replace("epochs: 4", "epochs: 1"))
    for name, kind in (("said", "causal-lm"), ("written", "seq2seq")):
        (folder / "tasks" / f"{name}.yaml").write_text(SAID.format(kind=kind))
    written = "\n".join([*TRAININGS, *USES]).format(bert=bert, llama=llama, t5=t5)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=written,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment(WORKBENCH_HOME=str(folder / "space"), OMP_NUM_THREADS="1"),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr


def test_no_screen_has_a_line_of_a_library(screens: str) -> None:
    assert not [line for line in screens.splitlines() if LIBRARIES.search(line)]
