"""The hundred tasks of the recipe hundred-tasks: named once each, large and balanced enough, and never leaking."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import yaml

from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.rows.cutting import text_keys
from adapter_workbench.workbench.methods.task import SPLITS, Task

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "experiments" / "recipes" / "hundred-tasks.yaml"
PAGE = ROOT / "docs" / "evidence" / "hundred-tasks.md"
NAMES = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))["tasks"]


@cache
def loaded(name: str) -> Task:
    return registry.load(registry.find(name))


def keys_of(task: Task, split: str) -> set[str]:
    return set(text_keys(task.splits[split].to_pandas()))


@dataclass(frozen=True)
class Row:
    names: list[str]
    package: str
    counts: list[int | list[int]]


def sources() -> list[Row]:
    """Return the rows of the page's table, families as their members."""
    rows = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 8 or not cells[0].startswith("`"):
            continue
        names = [name for part in re.findall(r"`(.+?)`", cells[0]) for name in registry.families().get(part, [part])]
        assert len(names) == int(cells[1]), cells[0]
        texts, *sizes = (cell.replace(",", "").split("–") for cell in cells[4:7])
        counts = [int(texts[0]), *([int(size) for size in given] for given in sizes)]
        rows.append(Row(names, cells[3].replace(" ", "=="), counts))
    return rows


def test_a_hundred_names_and_a_hundred_sets_of_labels_from_wheels() -> None:
    specs = [registry.find(name) for name in NAMES]
    assert len(set(NAMES)) == len(NAMES) == 100
    assert {spec.source for spec in specs} == {"wheel"}
    uses = Counter(
        (spec.source_settings.model_dump_json(), str(spec.file.labels), str(spec.file.ranges), str(spec.file.columns))
        for spec in specs
    )
    assert not [source for source, times in uses.items() if times > 1]


def test_the_newsgroups_are_none_of_the_published_pairs_and_each_group_has_one_far_pair() -> None:
    family = [registry.find(name).file.labels for name in registry.families()["newsgroups"]]
    published = {frozenset(registry.find(name).file.labels) for name in registry.families()["20news"]}
    pairs = [frozenset(labels) for labels in family if len(labels) == 2]
    assert len(pairs) == len(set(pairs)) == 34
    assert not published & set(pairs)
    belief = {"alt.atheism", "soc.religion.christian", "talk.religion.misc"}

    def near(pair: frozenset[str]) -> bool:
        return pair <= belief or len({group.split(".")[0] for group in pair}) == 1

    groups = frozenset.union(*pairs)
    every = {frozenset((a, b)) for a in groups for b in groups if a != b}
    assert {pair for pair in pairs if near(pair)} == {pair for pair in every if near(pair)} - published
    assert Counter(group for pair in pairs if not near(pair) for group in pair) == dict.fromkeys(groups, 1)


def test_the_page_has_every_task_in_its_table_with_the_package_it_comes_from() -> None:
    rows = {name: row for row in sources() for name in row.names}
    assert sorted(rows) == sorted(NAMES)
    for name, row in rows.items():
        assert registry.find(name).source_settings.package == row.package


@pytest.mark.acceptance
def test_the_page_has_the_sizes_that_are_loaded() -> None:
    for row in sources():
        tasks = [loaded(name) for name in row.names]
        texts = set().union(*(keys_of(task, split) for task in tasks for split in SPLITS))
        sizes = {split: sorted(len(task.splits[split]) for task in tasks) for split in ("train", "test")}
        assert [len(texts), *(sorted({size[0], size[-1]}) for size in sizes.values())] == row.counts, row.names


@pytest.mark.acceptance
@pytest.mark.parametrize("name", NAMES)
def test_each_is_large_and_balanced_enough(name: str) -> None:
    task = loaded(name)
    assert len(task.splits["train"]) >= 60
    assert len(task.splits["test"]) >= 40
    for split in ("train", "test"):
        labels = task.splits[split]["label"][:]
        assert Counter(labels).most_common(1)[0][1] / len(labels) < 0.8


@pytest.mark.acceptance
def test_no_task_is_tested_on_what_trains_it_or_another() -> None:
    trained = {key: name for name in NAMES for key in keys_of(loaded(name), "train")}
    leaks = [(key[:60], trained[key], name) for name in NAMES for key in keys_of(loaded(name), "test") & set(trained)]
    assert not leaks
