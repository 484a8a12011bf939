"""The rules by which measurements choose and judge."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

import pytest
import torch
from safetensors.torch import load_file

from adapter_workbench.experiments.engine.recipes import RECIPES
from adapter_workbench.fusion.ranking import Score
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.settings.base import read
from bench import efficiency, few_shot_rates, first_look, first_look_designs, growth, ranking
from bench.chosen_rates import choose

TASK_SEEDS = [("a", 0), ("b", 0), ("a", 1), ("b", 1)]


def grid(**rows: list[float]) -> dict[float, dict[tuple[str, int], float]]:
    return {float(rate[1:]): dict(zip(TASK_SEEDS, scores, strict=True)) for rate, scores in rows.items()}


def test_the_best_is_taken_where_it_is_clearly_best() -> None:
    assert choose(grid(r1=[0.5, 0.6, 0.5, 0.6], r2=[0.9, 0.9, 0.9, 0.9], r3=[0.7, 0.8, 0.7, 0.8])) == 2.0


def test_of_rates_that_teach_alike_the_smallest_is_taken() -> None:
    # gaps of rate 1 to rate 2: −0.02, 0.04, 0, 0 → mean 0.005, standard error 0.0126 (by hand)
    assert choose(grid(r1=[0.92, 0.86, 0.9, 0.9], r2=[0.9, 0.9, 0.9, 0.9], r3=[0.1, 0.1, 0.1, 0.1])) == 1.0


def test_a_small_gap_that_is_always_there_counts() -> None:
    assert choose(grid(r1=[0.89, 0.89, 0.89, 0.89], r2=[0.9, 0.9, 0.9, 0.9])) == 2.0


def test_a_ranking_is_judged_by_order_and_by_its_first_choice() -> None:
    truth = {"a": 0.9, "b": 0.8, "c": 0.7}
    right = {name: Score(value) for name, value in zip(truth, (3.0, 2.0, 1.0), strict=True)}
    wrong = {name: Score(value) for name, value in zip(truth, (1.0, 2.0, 3.0), strict=True)}
    assert ranking.compare(right, truth) == (pytest.approx(1.0), 0.0)
    assert ranking.compare(wrong, truth) == (pytest.approx(-1.0), pytest.approx(0.2))
    unknown = {**right, "a": Score(None, "its task is not at hand")}
    assert ranking.compare(unknown, truth)[1] == pytest.approx(0.1), "what has no score comes last"
    assert ranking.compare(dict.fromkeys(truth, Score(1.0)), truth)[0] is None


def test_few_shot_rates_are_chosen_for_each_contestant_by_the_rule_of_the_defaults() -> None:
    def point(contestant: str, rate: float, seed: int, score: float) -> few_shot_rates.Point:
        return few_shot_rates.Point(contestant, rate, "target", seed, score, seconds=1.0)

    clear = [point("mix", 0.01, seed, 0.9 + 0.01 * seed) for seed in (0, 1, 2)]
    worse = [point("mix", 0.002, seed, 0.7 + 0.01 * seed) for seed in (0, 1, 2)]
    alike = [
        point("warm-start", rate, seed, 0.8 + rate * (-1) ** seed) for rate in (0.001, 0.005) for seed in (0, 1, 2)
    ]
    summary = few_shot_rates.summarise([*clear, *worse, *alike])
    assert summary["chosen"] == {"mix": 0.01, "warm-start": 0.001}, "of rates that teach alike, the smallest"
    assert summary["means"]["mix"] == {"0.01": 0.91, "0.002": 0.71}


def test_few_shot_rates_give_everybody_as_many_tries() -> None:
    assert len({len(rates) for rates in few_shot_rates.RATES.values()}) == 1
    with pytest.raises(InputError, match="equally many"):
        few_shot_rates.grid('{"fresh lora": [0.001], "mix": [0.001, 0.002]}')
    with pytest.raises(InputError, match="no JSON object"):
        few_shot_rates.grid("0.001")
    assert few_shot_rates.grid('{"mix": [0.001]}') == {"mix": [0.001]}


def test_few_shot_rates_keep_what_a_recipe_says_of_an_entry() -> None:
    tried = {"fresh lora": 0.001, "warm-start": 0.003}
    plan = few_shot_rates.plan_at("fuse-reasoning", ["reasoning-gym-chain-sum"], 16, [0], tried)
    entries = {entry.label: entry.settings for entry in plan.entries}
    assert entries["warm-start"].start == ("single",)
    assert entries["warm-start"].learning_rate == 0.003
    assert set(entries) == {"warm-start"}


def test_growth_writes_as_many_tasks_as_are_asked_for_and_tells_what_each_further_one_costs(tmp_path: Path) -> None:
    names = growth.pairs(tmp_path / "tasks", 160)
    specs = [registry.find(name, [tmp_path / "tasks"]) for name in names]
    assert len({frozenset(spec.file.labels or ()) for spec in specs}) == 160, "no two tasks are the same pair"
    streams = {"10": {"run_cpu_seconds": 12.0}, "160": {"run_cpu_seconds": 162.0}, "20": {"run_cpu_seconds": 22.0}}
    assert growth.slopes(streams) == {"10–20": 1.0, "20–160": 1.0}
    pieces = [
        ("lora", 1.0),
        ("lora", 2.0),
        ("lora", 4.0),
        ("lora", 9.0),
        ("head", 0.5),
        ("head", 0.5),
        ("head", 0.5),
        ("head", 9.0),
    ]
    lines = [json.dumps({"pace": pace, "updates": 1, "seconds": seconds}) for pace, seconds in pieces]
    (tmp_path / "pace.jsonl").write_text("\n".join(lines))
    assert growth.halves(tmp_path / "pace.jsonl") == {"early_stage_seconds": 1.5, "late_stage_seconds": 3.5}


def test_the_time_in_which_a_way_is_stopped_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    work = """
import json, time
began = time.monotonic()
while time.process_time() < 0.5:
    pass
print(json.dumps({"began": began, "first": began, "end": time.monotonic()}))
"""

    def begun(way: efficiency.Way, core: int, output: IO[str]) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", work], stdout=output, text=True)

    monkeypatch.setattr(efficiency.Way, "_begun", begun)
    way = efficiency.Way("alone", "", "")
    began = time.monotonic()
    way.take_turn(0.2, alone=False)
    assert not way.ended
    time.sleep(1)
    assert not way.ended, "it is stopped"
    way.take_turn(0.2, alone=True)
    assert way.ended
    (entry,) = way.times()
    assert 0.2 <= entry["seconds"] <= time.monotonic() - began - 0.9


def test_efficiency_compares_the_cluster_with_each_inline_way_that_was_measured() -> None:
    alone, beside, cluster = [{"seconds": 100.0}], [{"seconds": 110.0}, {"seconds": 130.0}], [{"seconds": 62.5}]
    assert efficiency.efficiency({"alone": alone}) == {}
    assert efficiency.efficiency({"alone": alone, "cluster": cluster}) == {"alone": 0.8}
    everything = {"alone": alone, "beside": beside, "cluster": cluster}
    assert efficiency.efficiency(everything) == {"alone": 0.8, "beside": 0.96}


def test_roundings_are_twenty_and_no_two_alike() -> None:
    roundings = first_look.roundings()
    assert len({*roundings}) == 20
    assert sum(rounding.precision == "fp32" for rounding in roundings) == 4
    assert first_look.Rounding("fp32", "avx2").environment["ATEN_CPU_CAPABILITY"] == "avx2"


def design(**changes: Any) -> dict[str, Any]:
    """What a design came to that decides everything, by two tasks."""
    above, below = {"mean": 0.1, "low": 0.04, "high": 0.16}, {"mean": -0.1, "low": -0.16, "high": -0.04}
    full = {"average_accuracy": {**above, "p_holm": 0.01}, "forgetting": {**below, "p_holm": 0.001}}
    head = {"average_accuracy": {**below, "p_holm": 0.01}}
    comparisons = {first_look_designs.LORA: full, first_look_designs.HEAD: head}
    return {"comparisons": comparisons, "gains": {"animals": 0.05, "fruits": 0.05}, "processor_seconds": 300, **changes}


def test_a_design_of_the_first_look_qualifies_where_several_tasks_decide_everything() -> None:
    assert first_look_designs.qualifies(design())
    assert not first_look_designs.qualifies(design(gains={"animals": 0.09, "fruits": 0.01})), "one task's gain"
    assert not first_look_designs.qualifies(design(processor_seconds=600)), "more than four minutes of two cores"
    for label, metric, worse in [
        (first_look_designs.LORA, "average_accuracy", {"p_holm": 0.03}),
        (first_look_designs.LORA, "forgetting", {"p_holm": 0.02}),
        (first_look_designs.HEAD, "average_accuracy", {"p_holm": 0.03}),
        (first_look_designs.HEAD, "average_accuracy", {"mean": 0.05}),
        (first_look_designs.HEAD, "average_accuracy", {"low": -0.19, "high": -0.01}),
    ]:
        undecided = design()
        undecided["comparisons"][label][metric] |= worse
        assert not first_look_designs.qualifies(undecided), (label, metric, worse)


def test_the_first_look_shows_a_design_that_was_tried_on_other_seeds() -> None:
    shown = read(RECIPES.path("quickstart")).data
    assert not {*shown["seeds"]} & {*first_look_designs.SEEDS}
    budget = {name: value for name, value in shown["budget"].items() if name not in first_look_designs.SHARED}
    assert first_look_designs.Design((*shown["tasks"],), **budget) in first_look_designs.DESIGNS.values()
    assert shown["budget"].items() >= first_look_designs.SHARED.items()
    entries = {label: {**entry} for label, entry in shown["strategies"].items()}
    assert all(entry.pop("title") for entry in entries.values())
    assert entries == first_look_designs.ENTRIES


def test_redrawn_weights_differ_in_the_last_bit_alone(bert: Path) -> None:
    """To the neighbour in float32, by torch's own nextafter; the same seed gives the same weights."""
    (file,) = bert.glob("*.safetensors")
    before, after = load_file(file), first_look.redrawn(file, seed=1)
    moved = 0
    for name, tensor in before.items():
        up, down = (torch.nextafter(tensor, torch.full_like(tensor, side)) for side in (math.inf, -math.inf))
        assert bool(((after[name] == tensor) | (after[name] == up) | (after[name] == down)).all())
        moved += int((after[name] != tensor).sum())
    total = sum(tensor.numel() for tensor in before.values())
    assert 0.6 < moved / total < 0.7, "a third stays"
    again = first_look.redrawn(file, seed=1)
    assert all(torch.equal(after[name], again[name]) for name in before)
