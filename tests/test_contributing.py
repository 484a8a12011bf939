"""The examples of CONTRIBUTING.md run as printed, installed as a package of somebody else's."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.terminal.registries import extendable
from adapter_workbench.tasks.loading import registry
from tests.distributions import begin_anew, forget, install
from tests.streams import write_tasks

CONTRIBUTING = Path(__file__).parents[1] / "CONTRIBUTING.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCK_OF_ANY_LANGUAGE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
MOST_WORDS = 2500
NAME = re.compile(r"# ([\w/]+\.py)\n")
BUDGET = {"epochs": 1, "batch_size": 16, "max_length": 16, "precision": "fp32", "train_examples": 16}

SMALL = [f"budget.{name}={value}" for name, value in BUDGET.items() if name != "train_examples"]

Call = Callable[..., tuple[int, str, str]]


def blocks(language: str) -> list[str]:
    return [block for kind, block in BLOCK.findall(CONTRIBUTING.read_text(encoding="utf-8")) if kind == language]


def examples() -> dict[str, str]:
    """Return by file name the Python that is printed; each block begins with its file's name."""
    return {NAME.match(block)[1]: block for block in blocks("python")}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the examples are installed, under the entry points that the page prints."""
    folder = tmp_path / "site"
    folder.mkdir()
    (points,) = (tomllib.loads(block)["project"]["entry-points"] for block in blocks("toml"))
    groups = {group.removeprefix("adapter_workbench."): entries for group, entries in points.items()}
    install(folder, "my-entries", examples(), groups)
    begin_anew(monkeypatch, folder)
    yield folder
    forget(folder)


@pytest.fixture
def bench(tmp_path: Path, site: Path) -> Workbench:
    return Workbench(tmp_path / "space", [write_tasks(tmp_path)])


def written(folder: Path, **recipe: Any) -> str:
    path = folder / f"{recipe['name']}.yaml"
    path.write_text(yaml.safe_dump({"budget": BUDGET, **recipe}), encoding="utf-8")
    return str(path)


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def stream(folder: Path, bert: Path, **more: Any) -> str:
    """Write a recipe with the strategy, beside one of our own."""
    strategies = {
        "l2": {"strategy": "l2-to-last", "method": "lora", "strength": 0.1},
        "plain": {"strategy": "sequential", "method": "lora"},
    }
    tasks = ["animals", "halves"]
    return written(
        folder, name="mine", backbone=str(bert), tasks=tasks, strategies=strategies, reference="plain", **more
    )


def test_every_example_names_its_file_and_imports_public_modules_alone(site: Path) -> None:
    assert len(examples()) == len(blocks("python"))
    private = [
        line for text in examples().values() for line in text.splitlines() if re.search(r"(from|import).*\._", line)
    ]
    assert not private
    added = [plugin for registry in extendable() for plugin in registry.plugins]
    assert len(added) == len({path.partition("/")[0] for path in examples()})
    for plugin in added:
        assert plugin.load()


def test_the_guide_is_short_and_the_files_that_it_leads_to_exist() -> None:
    text = CONTRIBUTING.read_text(encoding="utf-8")
    assert len(BLOCK_OF_ANY_LANGUAGE.sub("", text).split()) <= MOST_WORDS
    table = text[text.index("## Where things live") : text.index("## Tests")]
    paths = re.findall(r"`([\w/.-]+/[\w/.-]+)`", table)
    assert paths
    assert [path for path in paths if not (CONTRIBUTING.parent / path).exists()] == []


def test_strategy_probe_scenario_and_repair_run(bench: Workbench, bert: Path, tmp_path: Path) -> None:
    report = bench.run(bench.plan(stream(tmp_path, bert, scenario="label-places", probes=["confidence"])))
    assert report.complete
    record = bench.workspace.records.require("mine")
    assert re.search(r"my-entries 1\.0 \(sha256:[0-9a-f]{16}\)", record.provenance["plugins"])
    document = report.as_json()["strategies"]
    assert set(document) == {"l2", "plain"}
    assert document["l2"]["probes"]["confidence"]
    repaired = bench.repair("mine", ["half-way"])
    assert "half-way" in str(repaired)


def test_method_and_composition_run(bench: Workbench, bert: Path) -> None:
    trained = bench.train(bench.lesson("animals", "queries", str(bert), budget=BUDGET)).adapter
    assert trained.manifest.method == "queries"
    assert trained.manifest.code["queries"].startswith("my-entries 1.0 (sha256:")
    assert bench.predict(trained.id, ["the cat sleeps"])
    lessons = [bench.lesson(task, "lora", str(bert), budget=BUDGET) for task in ("animals", "halves")]
    sources = [bench.train(lesson).adapter for lesson in lessons]
    assert [source.manifest.code for source in sources] == [{}, {}]
    plan = bench.fusion_plan("fruits", ",".join(source.id for source in sources), "half", shots=4, assignments=SMALL)
    fused = bench.fuse(plan, keep="fusion").adapter
    assert fused.manifest.composition.method == "half"
    assert set(fused.manifest.code) == {"half"}


def test_study_runs(bench: Workbench, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: Path) -> None:
    (recipe,) = [block for block in blocks("yaml") if "sizes:" in block]
    given = {**yaml.safe_load(recipe), "backbone": str(bert), "task": "animals", "budget": BUDGET}
    path = written(tmp_path, **given)
    plan = bench.plan(path)
    report = bench.run(plan)
    assert report.complete
    assert set(report.as_json()["sizes"]) == {"8", "32"}
    assert report.verdict.startswith("The highest mean score is that of batches of ")
    assert "Test score by batch size" in (bench.workspace.experiment("sizes") / "report.html").read_text(
        encoding="utf-8"
    )
    assert bench.pending(plan) == []
    edit(site / "batch_sizes" / "pieces.py", "adapter.score)", "1 - adapter.score)")
    begin_anew(monkeypatch, site)
    assert len(bench.pending(bench.plan(path))) == 4


def test_source_runs(site: Path, tmp_path: Path) -> None:
    lines = [f"{animal} {number}\t{animal}" for animal in ("cat", "dog") for number in range(40)]
    (tmp_path / "lines.txt").write_text("\n".join(lines), encoding="utf-8")
    file = {"description": "made in tests", "my-source": {"path": "lines.txt"}, "license": "CC0-1.0"}
    file["columns"] = {"text": "text", "label": "label"}
    (tmp_path / "lines.yaml").write_text(yaml.safe_dump(file), encoding="utf-8")
    assert registry.load(registry.find("lines", [tmp_path])).labels == ("cat", "dog")


def test_a_changed_penalty_is_computed_anew_and_nothing_else(
    call: Call, site: Path, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, tasks = stream(tmp_path, bert), str(write_tasks(tmp_path))
    assert call("run", recipe, "--tasks", tasks)[0] == 0
    assert "0 of 4 pieces to do" in call("run", recipe, "--tasks", tasks, "--dry-run")[1]
    edit(site / "l2_to_last.py", "strength * distance", "1000 * strength * distance")
    begin_anew(monkeypatch, site)
    assert "2 of 4 pieces to do" in call("run", recipe, "--tasks", tasks, "--dry-run")[1]
