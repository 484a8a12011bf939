"""Learning rates outward of those that are tried, until the best one stands between two that are worse."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from adapter_workbench.experiments.engine.piece import Site
from adapter_workbench.experiments.studies.core import widening
from adapter_workbench.experiments.studies.core.tune import ATTEMPTS, LearningRateTrial, choose
from adapter_workbench.experiments.studies.core.widening import OUTWARD, candidates, is_enclosed
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.machine.listener import Silent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RATES = (0.01, 0.003, 0.04)


def lessons(rate: float) -> list[Any]:
    settings = SimpleNamespace(learning_rate=rate)
    return [SimpleNamespace(adaptation=SimpleNamespace(settings=settings), key=f"{rate:.6g}")]


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[LearningRateTrial]]:
    """Return all that was tried where ``score`` is what a rate comes to on validation."""

    def searched(score: Callable[[float], float | None]) -> list[LearningRateTrial]:
        def fitted(lesson: Any, *_: Any) -> LearningRateTrial:
            rate = lesson.adaptation.settings.learning_rate
            return LearningRateTrial(rate, value := score(rate), None if value is None else value, 1.0)

        monkeypatch.setattr(widening, "fitted_trial", fitted)
        workspace = Workspace(tmp_path / "space")
        documents, site = ATTEMPTS.documents(workspace), Site(workspace, Silent())
        for candidate in candidates(RATES, lessons):
            (lesson,), (key,) = candidate.lessons, candidate.keys
            trial = widening._if_needed(lesson, candidate.after, key, "", site) if candidate.after else fitted(lesson)
            documents.save(key, trial)
        found = [documents.require(candidate.keys[0]) for candidate in candidates(RATES, lessons)]
        return [trial for trial in found if trial.needed]

    return searched


def near(best: float) -> Callable[[float], float]:
    return lambda rate: -abs(math.log(rate / best))


def test_a_best_rate_between_two_others_ends_the_search(search: Any) -> None:
    tried = search(near(0.011))
    assert [trial.learning_rate for trial in tried] == [*RATES]
    assert is_enclosed(tried)


@pytest.mark.parametrize(
    ("best", "outward"),
    [
        (0.05, [0.04 * 10**0.5]),  # the first one beyond is worse
        (0.13, [0.04 * 10**0.5, 0.4]),
        (0.001, [0.003 / 10**0.5, 0.0003]),
    ],
)
def test_a_best_rate_at_the_edge_is_enclosed(best: float, outward: list[float], search: Any) -> None:
    tried = search(near(best))
    assert [trial.learning_rate for trial in tried[len(RATES) :]] == pytest.approx(outward)
    assert is_enclosed(tried)


def test_there_is_a_bound_and_it_is_told(search: Any) -> None:
    tried = search(near(1e-9))
    assert len(tried) == len(RATES) + OUTWARD
    assert choose(tried) == min(trial.learning_rate for trial in tried)
    assert not is_enclosed(tried)


def test_a_rate_that_fails_encloses_too(search: Any) -> None:
    tried = search(lambda rate: None if rate > 0.1 else rate)
    assert (choose(tried), tried[-1].validation) == (0.04, None)
    assert is_enclosed(tried)


def test_where_nothing_works_nothing_further_is_tried(search: Any) -> None:
    assert len(search(lambda _: None)) == len(RATES)


def test_a_single_rate_has_no_edge() -> None:
    assert len([*candidates((0.01,), lessons)]) == 1


def test_no_rate_is_tried_that_no_method_takes() -> None:
    assert max(candidate.learning_rate for candidate in candidates((1.0, 99.0), lessons)) == 99.0
