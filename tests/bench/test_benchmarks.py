"""The rules by which measurements choose and judge."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from adapter_workbench.fusion.ranking import Score
from adapter_workbench.tasks.loading import registry
from bench import first_look, growth, ranking
from bench.learning_rates import choose

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


def test_roundings_are_twenty_and_no_two_alike() -> None:
    roundings = first_look.roundings()
    assert len({*roundings}) == 20
    assert sum(rounding.precision == "fp32" for rounding in roundings) == 4
    assert first_look.Rounding("fp32", "avx2").environment["ATEN_CPU_CAPABILITY"] == "avx2"


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
