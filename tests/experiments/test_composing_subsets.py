"""A composition may be made of some of the recipe's sources, of other ones for each target."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.engine.recipes import RECIPES
from adapter_workbench.experiments.studies.compositions.page import figures
from adapter_workbench.experiments.studies.compositions.report import FusionReport
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.target.composition import Purpose
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.settings.document import read
from tests.messages import naming
from tests.runs import SMALL_COMPARISON, pieces

RECIPE = (
    SMALL_COMPARISON
    + """name: tiny-subsets
targets: [fruits, colours]
compositions:
  some: {{method: warm-start, sources: {{fruits: [halves]}}}}
  every: {{method: warm-start}}
controls: {{random: [some], shuffled: [some]}}
"""
)


SOME = ("some", "some, random sources", "some, shuffled sources")


@pytest.fixture(scope="module")
def study_folder(study_folder: Path) -> Path:
    """The folder, with a second target: the first one's rows under another name."""
    tasks = study_folder / "tasks"
    (tasks / "colours.yaml").write_text((tasks / "fruits.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return study_folder


def made_of(bench: Workbench, study_folder: Path) -> dict[tuple[str, str], list[str]]:
    plan = bench.plan(str(study_folder / "tiny.yaml"))
    return {
        (entry.label, target): [source.task for source in entry.on(target).sources]
        for entry in plan.all_entries(0)
        for target in ("fruits", "colours")
        if entry.sources and entry.role != "source"
    }


def test_each_target_has_its_own_sources(bench: Workbench, study_folder: Path) -> None:
    made = made_of(bench, study_folder)
    both = ["animals", "halves"]
    assert made["every", "fruits"] == made["every", "colours"] == made["some", "colours"] == both
    assert made["some", "fruits"] == made["some, random sources", "fruits"] == ["halves"]
    assert made["some, shuffled sources", "fruits"] == ["halves-shuffled"]
    assert len(made["some, mixed data", "fruits"]) == 1, "one adapter on all data, the same for every target"
    assert made["some, shuffled sources", "colours"] == ["animals-shuffled", "halves-shuffled"]


def test_sources_stand_in_the_order_of_the_entry(bench: Workbench, study_folder: Path) -> None:
    """Weights go by it, and so does what begins like the first or keeps the first sources."""
    changed = "compositions.some.sources={fruits: [halves, animals]}"
    plan = bench.plan(str(study_folder / "tiny.yaml"), [changed])
    some, *_, shuffled = (entry.on("fruits").sources for entry in plan.all_entries(0) if entry.label in SOME)
    assert [source.task for source in some] == ["halves", "animals"]
    assert [source.task for source in shuffled] == ["halves-shuffled", "animals-shuffled"]


def test_a_picture_of_weights_names_the_sources_of_the_entry(bench: Workbench, study_folder: Path) -> None:
    entry = "compositions={some: {method: sum, weights: [0.9, 0.1], sources: {fruits: [halves, animals]}}}"
    changes = ["name=in-order", "targets=[fruits]", "controls={random: [], shuffled: [], mixed: []}"]
    report = bench.run(bench.plan(str(study_folder / "tiny.yaml"), [entry, *changes]))
    assert isinstance(report, FusionReport)
    (weights,) = (figure for figure in figures(report) if figure.name == "weights-some")
    assert isinstance(weights.draw, partial)
    assert weights.draw.args[1:] == ({"halves": 0.9, "animals": 0.1},)


def test_what_is_made_of_all_sources_is_the_same_piece(bench: Workbench, study_folder: Path) -> None:
    keys = {
        (piece.coordinates["label"], piece.coordinates["target"]): piece.key
        for piece in pieces(bench.plan(str(study_folder / "tiny.yaml")))
        if piece.coordinates.get("part") == "trial"
    }
    assert keys["some", "colours"] == keys["every", "colours"]
    assert keys["some", "fruits"] != keys["every", "fruits"]


def test_weights_of_different_sources_have_no_mean(bench: Workbench, study_folder: Path) -> None:
    """Their number may differ from target to target, and where it does not, they are of other sources."""
    entries = [
        "some: {method: sum, sources: {fruits: [halves]}}",
        "apart: {method: sum, sources: {fruits: [halves], colours: [animals]}}",
        "every: {method: sum}",
    ]
    none = ["controls={random: [], shuffled: [], mixed: []}", "name=weighed"]
    told = bench.run(bench.plan(str(study_folder / "tiny.yaml"), [f"compositions={{{', '.join(entries)}}}", *none]))
    assert (told.complete, told.details["some"], told.details["apart"]) == (True, {}, {})
    assert told.details["every"] == {"weights": (1.0, 1.0)}


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ("{fruit: [halves]}", "'some' names no target of the recipe: 'fruit'"),
        ("{fruits: [halve]}", "'some' names no source of the recipe: 'halve'"),
        ("{fruits: []}", "name at least one source"),
        ("{fruits: [halves, halves]}", "named more than once: halves"),
    ],
)
def test_what_cannot_be_is_refused(sources: str, message: str, bench: Workbench, study_folder: Path) -> None:
    with pytest.raises(InputError, match=naming(message)):
        bench.plan(str(study_folder / "tiny.yaml"), [f"compositions.some.sources={sources}"])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "{method: sum, weights: [1]}",
            "'some' for 'fruits': number of sources 2, of weights 1",
        ),
        (
            "{method: sum, weights: [1, 1], sources: {colours: [halves]}}",
            "'some' for 'colours': number of sources 1, of weights 2",
        ),
        (
            "{method: slerp, sources: {fruits: [halves]}}",
            "'some' for 'fruits': slerp takes two sources, got 1",
        ),
        ("{method: single}", "'some' for 'fruits': single takes one source, got 2"),
        ("{method: tsv, rank: 1}", "'some' for 'fruits': rank 1 is less than one direction for each of 2"),
        ("{method: negate, kept: 2}", "'some' for 'fruits': kept=2 of 2 sources leaves no source"),
        (
            "{method: model-stock, sources: {colours: [halves]}}",
            "'some' for 'colours': model-stock measures the angle between two or more sources, got 1",
        ),
        (
            "{method: task-retrieval, sources: {colours: [halves]}}",
            "'some' for 'colours': task-retrieval chooses among two or more LoRAs, got 1",
        ),
        (
            "{method: warm-start, start: [single, nuslerp], sources: {colours: [halves]}}",
            "'some' for 'colours': nuslerp takes two sources, got 1",
        ),
        (
            "{method: arrow-tokens, general: 1}",
            "'some' for 'fruits': of 2 sources 1 are general, which leaves 1 to choose from",
        ),
        (
            "{method: arrow-tokens, sources: {colours: [halves]}}",
            "'some' for 'colours': of 1 sources 0 are general, which leaves 1 to choose from",
        ),
        (
            "{method: slerp, weights: [-0.5, 1.5]}",
            "'some' for 'fruits': slerp needs weights ≥ 0 that are not all zero, got [-0.5, 1.5]",
        ),
        ("{method: slerp, weights: [0, 0]}", "slerp needs weights ≥ 0 that are not all zero"),
        *(
            (f"{{method: warm-start, start: {start}}}", f"'some' for 'fruits': {start} gives no LoRA to start from")
            for start in ("arrow-tokens", "task-retrieval", "adapterfusion", "warm-start")
        ),
    ],
)
def test_sources_are_counted_before_they_are_trained(
    entry: str, message: str, bench: Workbench, study_folder: Path
) -> None:
    none = "controls={random: [], shuffled: []}"
    with pytest.raises(InputError, match=naming(message)):
        bench.plan(str(study_folder / "tiny.yaml"), [f"compositions={{some: {entry}}}", none])


def test_a_rank_for_bottlenecks_is_refused_before_they_are_trained(bench: Workbench, study_folder: Path) -> None:
    changes = ["sources.methods={pfeiffer: {}}", "controls={random: [], shuffled: []}"]
    ranked = "compositions={some: {method: average, rank: 8}}"
    with pytest.raises(InputError, match=naming("'some' for 'fruits': bottlenecks have no rank to cut")):
        bench.plan(str(study_folder / "tiny.yaml"), [*changes, ranked])


@pytest.mark.parametrize(
    ("method", "settings", "kinds", "target", "message"),
    [
        ("adamerging", {}, ["causal-lm"], "causal-lm", "adamerging minimises the entropy over labels"),
        ("fisher", {}, ["classification", "regression"], "classification", "fisher cannot use source 2 (regression)"),
        ("warm-start", {"start": "fisher"}, ["regression"], "regression", "fisher cannot use source 1 (regression)"),
    ],
)
def test_kinds_that_a_method_cannot_read_are_refused(
    method: str, settings: dict[str, str], kinds: list[str], target: str, message: str
) -> None:
    card = COMPOSITIONS.get(method)
    card.require_suited(Purpose("peft", ("classification",), "classification"), card.settings(**settings))
    with pytest.raises(InputError, match=naming(message)):
        card.require_suited(Purpose("peft", tuple(kinds), target), card.settings(**settings))


@pytest.mark.parametrize(
    ("name", "entries"), [("form-and-skill", 5), ("two-steps-written", 4), ("two-steps-unwritten", 4)]
)
def test_shipped_pairs_are_the_parts_of_their_target_and_no_part_is_enough(name: str, entries: int) -> None:
    def parts(task: str) -> set[str]:
        settings = registry.find(task).source_settings
        return {*settings.skills, settings.convention} - {"copy", "plain", "written-out"}

    recipe = read(RECIPES.path(name)).data
    pairs = {label: entry["sources"] for label, entry in recipe["compositions"].items() if label.startswith("pair-")}
    assert len(pairs) == entries
    for of_targets in pairs.values():
        assert [*of_targets] == recipe["targets"]
        for target, sources in of_targets.items():
            first, second = map(parts, sources)
            assert (first | second, len(first), len(second)) == (parts(target), 1, 1)
            assert len(parts(target)) == 2
