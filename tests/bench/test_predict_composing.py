"""A prediction of what composing gains: cases come from reports, and a law is found where there is one, only there."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr
from typer import Typer
from typer.testing import CliRunner

from adapter_workbench.workbench.errors import InputError
from bench import predict_composing, store_composing_cases
from bench.composing_cases import Case, cases, read, stored
from bench.composing_inputs import INPUTS, OF_PAIR, KnownBefore, Validated, known_before
from bench.composing_judged import Judgement, Predicted, judge
from bench.composing_prediction import answers, fit, sentence

MARGIN = 0.02
FEW_DRAWS = 100


def case(target: str, seed: int, inputs: np.ndarray[Any, Any], gain: float, shots: int = 16) -> Case:
    """Return a case with these inputs, in the order of ``INPUTS``."""
    named = dict(zip(INPUTS, inputs.tolist(), strict=True))
    pair = {name: named.pop(name, 0.0) for name in OF_PAIR}
    return Case("made-up", target, shots, seed, KnownBefore("some", pair=pair, **named), "sum", "fresh", gain, MARGIN)


def drawn(generator: np.random.Generator, targets: int, law: float, prefix: str, mean: float = 0.0) -> list[Case]:
    """Return five seeds of each target; the gain is ``law`` × room, which differs between targets, and noise."""
    every = []
    for target in range(targets):
        of_target = generator.normal(size=len(INPUTS))
        for seed in range(5):
            inputs = of_target + 0.2 * generator.normal(size=len(INPUTS))
            gain = mean + law * of_target[INPUTS.index("room")] + 0.05 * generator.normal()
            every.append(case(f"{prefix}{target}", seed, inputs, gain))
    return every


def judged(seed: int, law: float, mean: float = 0.0) -> Judgement:
    """Return the judgement of a model of 13 targets on 12 other ones."""
    generator = np.random.default_rng(seed)
    seen, unseen = (drawn(generator, *size, mean) for size in ((13, law, "seen "), (12, law, "unseen ")))
    model = fit(seen)
    return judge([Predicted(one, model.probability(one.before), model.base_rate) for one in unseen], FEW_DRAWS)


def test_a_law_that_is_there_is_found() -> None:
    judgements = [judged(seed, law=0.2) for seed in range(3)]
    assert all(judgement.ships for judgement in judgements)
    assert all(judgement.scores["followed"].value > 0 for judgement in judgements)


def test_a_law_that_is_not_there_is_not_claimed() -> None:
    """The interval of the rank correlation lies above 0 in one of 40 by chance, the more if targets are few."""
    assert not any(judged(seed, law=0.0, mean=MARGIN).ships for seed in range(12))


def test_where_no_unseen_case_gains_the_command_does_not_ship() -> None:
    """Always the best single source is perfect there: probability 0, and the answer is always no."""
    generator = np.random.default_rng(0)
    seen = drawn(generator, 13, 0.2, "seen ")
    unseen = [replace(one, gain=one.gain - 5) for one in drawn(generator, 12, 0.2, "unseen ")]
    results = predict_composing.judged(seen, unseen, FEW_DRAWS)
    assert results["unseen"]["scores"]["rank_correlation"]["low"] > 0, "it ranks all the same"
    assert results["unseen"]["scores"]["minus_best_source"]["value"] > 0
    assert "no unseen case gains" in results["verdict"]


def test_with_one_answer_nothing_is_fitted() -> None:
    seen = [replace(one, gain=-1.0) for one in drawn(np.random.default_rng(0), 3, 0.2, "seen ")]
    results = predict_composing.judged(seen, seen, FEW_DRAWS)
    assert "composing gains in none of 15 cases" in results["verdict"]
    assert results["model"] is None


def test_the_answer_is_that_of_the_mean_over_seeds() -> None:
    some = [case("a", seed, np.zeros(5), gain) for seed, gain in enumerate((0.1, -0.1, 0.08))]
    other = [case("a", seed, np.zeros(5), gain, shots=64) for seed, gain in enumerate((0.1, -0.1, 0.02))]
    assert answers([*some, *other]) == [True] * 3 + [False] * 3  # 2.7 and 0.7 points


def test_scores_are_those_of_their_formulas() -> None:
    """Two targets of different sizes weigh the same; ranks are those of all cases."""
    gains = {"a": (0.1, 0.2), "b": (-0.1, 0.0, 0.05, -0.2)}
    every = [case(name, seed, np.zeros(5), gain) for name, many in gains.items() for seed, gain in enumerate(many)]
    probabilities = (0.9, 0.6, 0.3, 0.2, 0.7, 0.1)
    judgement = judge([Predicted(one, p, 0.25) for one, p in zip(every, probabilities, strict=True)], FEW_DRAWS)
    scores = {name: bounded.value for name, bounded in judgement.scores.items()}
    brier = ((0.1**2 + 0.4**2) / 2 + (0.3**2 + 0.2**2 + 0.7**2 + 0.1**2) / 4) / 2
    assert scores["brier"] == pytest.approx(brier)
    assert scores["minus_best_source"] == pytest.approx(brier - (1 + 0) / 2)
    assert scores["minus_base_rate"] == pytest.approx(brier - (0.75**2 + 0.25**2) / 2)
    assert scores["followed"] == pytest.approx((0.15 + 0.05 / 4) / 2)
    assert scores["rank_correlation"] == pytest.approx(spearmanr(probabilities, [*gains["a"], *gains["b"]]).statistic)
    assert (judgement.cases, judgement.targets, judgement.gaining) == (6, 2, 2)


def test_each_target_weighs_the_same_in_the_fit() -> None:
    """One gains with three K, the other with none of its one: where the intercept is best, Σ share (gained − p) = 0."""
    generator = np.random.default_rng(0)
    gains = {"a": ((16, 1.0), (64, 1.0), (256, 1.0)), "b": ((16, -1.0),)}
    every = [
        case(target, seed, generator.normal(size=len(INPUTS)), gain, shots)
        for target, of_target in gains.items()
        for shots, gain in of_target
        for seed in range(5)
    ]
    model = fit(every)
    assert model.base_rate == pytest.approx(0.5)
    means = [np.mean([model.probability(one.before) for one in every if one.target == target]) for target in gains]
    assert np.mean(means) == pytest.approx(0.5, abs=1e-3)


def test_what_is_known_before_is_about_the_two_sources_that_validate_best() -> None:
    sources = {"a": Validated(0.5, -1), "b": Validated(0.5, -0.5), "c": Validated(0.25, 0)}
    before = known_before(Validated(0.2, 0), Validated(0.4, 0), sources, diagnostics(["a", "b", "c"]))
    assert before.source == "b", "between equal scores the likelihood decides"
    assert before.inputs == pytest.approx(
        {"headroom": 0.2, "sensitivity": 0.1, "room": 0.5, "cosine": 0.1, "interference": 0.1}
    )
    with pytest.raises(InputError, match="nothing to compose: 1 source"):
        known_before(Validated(0, 0), Validated(0, 0), {"a": Validated(0, 0)}, diagnostics(["a"]))


def test_the_sentence_says_how_likely() -> None:
    assert sentence(0.12, "b", 0.05) == "Composing is unlikely (12 %) to beat starting from b by more than 5 points."
    assert sentence(0.5, "b", 0.02).startswith("It is open (50 %) whether composing would beat starting from b")
    assert sentence(0.9, "b", 0.02).startswith("Composing is likely (90 %)")


def diagnostics(names: list[str]) -> dict[str, Any]:
    """Return diagnostics whose every statistic of sources i and j is (i + j) ÷ 10."""
    value = [[(i + j) / 10 for j in range(len(names))] for i in range(len(names))]
    return {"sources": [{"name": name} for name in names], "pairs": {name: {"value": value} for name in OF_PAIR}}


def row(role: str, family: str, scores: dict[int, tuple[float, float]], **settings: Any) -> dict[str, Any]:
    """Return a row of a report; ``scores``: seed → validation and test score."""
    trials = [
        {"target": "t", "shots": shots, "seed": seed, "score": score, "validation": validation if shots else None}
        | {"validation_log_likelihood": None}
        for shots in (0, 16)
        for seed, (validation, score) in scores.items()
    ]
    return {"role": role, "family": family, "settings": settings, "trials": trials}


def report() -> dict[str, Any]:
    """Return a report of one target with K = 0 and 16, and two seeds."""
    rows = {
        "frozen features": row("frozen", "", {0: (0.1, 0.1), 1: (0.1, 0.1)}),
        "full fine-tuning": row("full", "", {0: (1.0, 0.1), 1: (1.0, 0.1)}),
        "fresh lora": row("fresh", "lora", {0: (0.3, 0.3), 1: (0.3, 0.3)}),
        "a alone, lora": row("source", "lora", {0: (0.2, 0.2), 1: (0.5, 0.6)}),
        "b alone, lora": row("source", "lora", {0: (0.1, 0.2), 1: (0.1, 0.6)}),
        "average, lora": row("average", "lora", {0: (0.1, 0.9), 1: (0.1, 0.9)}),
        "sum": row("composition", "lora", {0: (0.2, 0.4), 1: (0.2, 0.5)}),
        "begins at one": row("composition", "lora", {0: (0.4, 0.5), 1: (0.4, 0.9)}, start=["single"]),
        "begins at random": row("random", "lora", {0: (1.0, 0.1), 1: (1.0, 0.1)}, start=["average"]),
        "fusion": row("composition", "pfeiffer", {0: (1.0, 0.1), 1: (1.0, 0.1)}),
        "best composition": row("pick", "", {0: (1.0, 0.1), 1: (1.0, 0.1)}),
    }
    both = {f"{seed}/lora": diagnostics(["a", "b"]) for seed in (0, 1)}
    made_up = {"experiment": "made-up", "reference": "fresh lora", "margin": 5.0, "complete": True, "diagnostics": both}
    return {**made_up, "contestants": rows, "provenance": {"git": "abc"}}


def test_a_case_is_composing_beside_the_plain_alternative_that_validates_best() -> None:
    first, second = cases(report())
    assert (first.composing, first.alternative, second.alternative) == ("sum", "begins at one", "a alone, lora")
    assert [one.gain for one in (first, second)] == pytest.approx([-0.1, -0.1])
    assert (first.shots, first.margin) == (16, 0.05)
    assert first.before.inputs["sensitivity"] == pytest.approx(-0.1), "a single source alone, and not what begins at it"


def test_nothing_of_the_test_split_is_among_what_is_known_before() -> None:
    document = report()
    for contestant in document["contestants"].values():
        for trial in contestant["trials"]:
            trial["score"] = 0.123
    assert [one.before for one in cases(document)] == [one.before for one in cases(report())]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: document.pop("contestants"), "no report on compositions"),
        (lambda document: document["contestants"]["sum"].pop("trials"), "--full"),
        (lambda document: document.update(reference="sum"), "one fusion"),
        (lambda document: document.update(diagnostics={}), "diagnostics of the sources are missing"),
    ],
)
def test_what_is_no_such_report_is_refused(change: Any, message: str, tmp_path: Path) -> None:
    document = report()
    change(document)
    (tmp_path / "report.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read(tmp_path / "report.json")
    assert message in f"{refused.value}"


def test_the_program_writes_what_it_found(tmp_path: Path) -> None:
    """Of two finished reports one gains and one does not; an unfinished one is left out."""
    paths = [write_report(tmp_path, number, target) for number, target in enumerate(("t", "u", "v"))]
    unfinished = write_report(tmp_path, 9, "w", complete=False)
    app, out = Typer(), tmp_path / "found.json"
    app.command()(predict_composing.main)
    options = [f"--fitted={paths[0]}", f"--fitted={paths[1]}", f"--fitted={unfinished}", f"--unseen={paths[2]}"]
    done = CliRunner().invoke(app, [*options, "--draws=100", f"--out={out}"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    document = json.loads(out.read_text(encoding="utf-8"))
    assert document["left_out"] == ["report 9"]
    assert [one["gains"] for one in document["cases"]] == [False, False, True, True, False, False]
    assert set(document["model"]["inputs"]) == set(INPUTS)
    assert document["verdict"] in done.output
    assert "unseen: cases 2, targets 1, cases that gain 0" in done.output


def test_stored_cases_take_the_place_of_their_reports(tmp_path: Path) -> None:
    reports = [write_report(tmp_path, number, target) for number, target in enumerate(("t", "u"))]
    app, out = Typer(), tmp_path / "cases.json"
    app.command()(store_composing_cases.main)
    done = CliRunner().invoke(app, [*map(str, reports), f"--out={out}"], catch_exceptions=False)
    assert done.output == "4 cases of report 0, report 1\n"
    assert stored(out) == [case for path in reports for case in cases(read(path))]
    assert stored(reports[0]) is None
    document = json.loads(out.read_text(encoding="utf-8"))
    assert document["experiments"]["report 0"]["git"] == "abc"
    assert document["provenance"]["command"].endswith(shlex.join(map(str, reports)))
    unfinished = write_report(tmp_path, 9, "w", complete=False)
    refused = CliRunner().invoke(app, [str(unfinished), f"--out={out}"])
    assert "report 9 is not finished" in str(refused.exception)
    out.write_text(json.dumps({"cases": [{"experiment": "x"}]}), encoding="utf-8")
    with pytest.raises(InputError, match="not whole"):
        stored(out)


def write_report(folder: Path, number: int, target: str, **changes: Any) -> Path:
    """Write a report about another target, which gains where its number is odd."""
    document = report() | {"experiment": f"report {number}"} | changes
    for label, contestant in document["contestants"].items():
        for trial in contestant["trials"]:
            trial["target"] = target
            trial["score"] += number % 2 if label == "sum" else 0
    path = folder / f"{number}.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path
