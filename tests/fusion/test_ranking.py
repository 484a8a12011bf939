"""Which source suits a target: scores against their definitions, and order on tasks whose relation is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from adapter_workbench.fusion.ranking import NOT_FINITE, RANKINGS, RankingRequest, Score, best_first
from adapter_workbench.fusion.ranking.logme import log_evidence
from adapter_workbench.fusion.ranking.trial import held_out
from adapter_workbench.fusion.target.fitted_by_folds import assign_folds
from adapter_workbench.fusion.target.fitted_head import GRID
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson, learn
from tests.conftest import FILLERS, FRUITS, SUBJECTS, make_task

if TYPE_CHECKING:
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.task import Task


def evidence_by_search(features: np.ndarray, answers: np.ndarray) -> float:
    """max over α, β of log N(y; 0, I ÷ β + F Fᵀ ÷ α), by simplex search from several starts."""
    gram, n = features @ features.T, len(features)

    def column(y: np.ndarray) -> float:
        def negative(logs: np.ndarray) -> float:
            covariance = np.eye(n) * np.exp(-logs[1]) + gram * np.exp(-logs[0])
            return -float(multivariate_normal(np.zeros(n), covariance).logpdf(y))

        starts = [(a, b) for a in (-3.0, 2.0, 6.0) for b in (0.0, 3.0)]
        optima = [
            minimize(negative, start, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9}) for start in starts
        ]
        return -min(optimum.fun for optimum in optima)

    return float(np.mean([column((answers == label).astype(float)) / n for label in np.unique(answers)]))


@pytest.mark.parametrize(("examples", "hidden", "labels"), [(60, 8, 2), (40, 8, 3), (20, 30, 2), (24, 50, 3)])
def test_logme_is_the_maximal_evidence(examples: int, hidden: int, labels: int) -> None:
    generator = np.random.default_rng(examples)
    answers = np.arange(examples) % labels
    centres = generator.normal(size=(labels, hidden))
    features = 0.5 * centres[answers] + generator.normal(size=(examples, hidden))
    assert log_evidence(features, answers) == pytest.approx(evidence_by_search(features, answers), abs=1e-5)


def test_logme_does_not_depend_on_the_scale_or_the_axes_of_features() -> None:
    generator = np.random.default_rng(0)
    features, answers = generator.normal(size=(40, 12)), np.arange(40) % 2
    turned = features @ np.linalg.qr(generator.normal(size=(12, 12)))[0]
    assert log_evidence(1000 * turned, answers) == pytest.approx(log_evidence(features, answers), abs=1e-6)


def test_logme_rises_with_what_features_say() -> None:
    generator = np.random.default_rng(0)
    answers, noise = np.arange(60) % 2, generator.normal(size=(60, 10))
    signal = np.outer(2 * answers - 1, generator.normal(size=10))
    values = [log_evidence(noise + strength * signal, answers) for strength in (0.0, 0.3, 1.0)]
    assert values[0] < values[1] < values[2]


def test_folds_are_stratified_and_seeded() -> None:
    answers = np.array([0] * 15 + [1] * 10 + [2] * 5)
    folds = assign_folds(answers, 5, seed=3)
    assert {
        (fold, label): int(((folds == fold) & (answers == label)).sum()) for fold in range(5) for label in range(3)
    } == {(fold, label): count for fold in range(5) for label, count in enumerate((3, 2, 1))}
    assert (assign_folds(answers, 5, seed=3) == folds).all()
    assert (assign_folds(answers, 5, seed=4) != folds).any()


def test_trial_is_the_cross_validation_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import PredefinedSplit, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    generator = np.random.default_rng(1)
    answers = np.arange(40) % 2
    features = generator.normal(size=(40, 6)) + answers[:, None]
    folds = assign_folds(answers, 5, seed=0)
    expected = max(
        cross_val_score(
            make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=1000)),
            features,
            answers,
            cv=PredefinedSplit(folds),
            scoring="neg_log_loss",
        ).mean()
        for c in GRID
    )
    assert held_out(features, answers, folds, 2) == pytest.approx(expected, abs=1e-6)


@pytest.fixture(scope="module")
def target() -> Task:
    """Animals against fruit from 16 examples, with other texts than the source was trained on."""
    task = make_task("few animals", SUBJECTS, FRUITS)
    return replace(task, splits={**task.splits, "train": task.splits["train"].select(range(16))})


@pytest.fixture(scope="module")
def sources(backbone: Backbone, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[StoredAdapter, Task]]:
    """One adapter of the target's own distinction and two of others."""
    first, last = FILLERS[:5], FILLERS[5:]
    tasks = {
        "related": make_task("related", SUBJECTS, FRUITS),
        "halves": make_task("halves", [*SUBJECTS[:4], *FRUITS[:4]], [*SUBJECTS[4:], *FRUITS[4:]]),
        "fillers": make_task("fillers", first, last),
    }
    store = AdapterStore(tmp_path_factory.mktemp("adapters"))
    budget = Budget(epochs=8, batch_size=8, max_length=16, precision="fp32")
    adaptation = Adaptation(backbone, "lora", METHODS.get("lora").settings(), "fp32")
    return {
        name: (learn(Lesson(task, adaptation, budget, 0), store, Silent(), name), task) for name, task in tasks.items()
    }


@pytest.fixture(scope="module")
def request_(backbone: Backbone, target: Task, sources: dict[str, tuple[StoredAdapter, Task]]) -> RankingRequest:
    candidates = tuple(sources[name][0] for name in ("halves", "related", "fillers"))
    texts = {adapter.id: task.splits["train"] for adapter, task in sources.values()}
    return RankingRequest(candidates, target, backbone, "fp32", 16, texts=texts)


def test_the_registry_holds_three() -> None:
    assert RANKINGS.names() == ["logme", "similarity", "trial"]


@pytest.mark.parametrize("name", ["logme", "trial"])
def test_the_related_source_comes_first(
    name: str, request_: RankingRequest, sources: dict[str, tuple[StoredAdapter, Task]]
) -> None:
    scores = RANKINGS.get(name).rank(request_)
    assert scores.keys() == {source.id for source in request_.candidates}
    assert best_first(scores)[0] == sources["related"][0].id


def test_similarity_knows_texts_but_not_what_is_asked_of_them(
    request_: RankingRequest, sources: dict[str, tuple[StoredAdapter, Task]]
) -> None:
    scores = RANKINGS.get("similarity").rank(request_)
    related, halves, fillers = (scores[sources[name][0].id].value for name in ("related", "halves", "fillers"))
    assert related is not None and halves is not None and fillers is not None
    assert 1 - fillers > 2 * (1 - min(related, halves))  # the two have the target's words: their texts differ by chance


def test_features_are_those_of_the_adapted_body(
    request_: RankingRequest, backbone: Backbone, target: Task, sources: dict[str, tuple[StoredAdapter, Task]]
) -> None:
    from peft import PeftModel

    adapter = sources["related"][0]
    body = PeftModel.from_pretrained(backbone.load(), adapter.folder).eval()
    inputs = backbone.tokenizer(target.splits["train"]["text"][:1], return_tensors="pt")
    expected = body(**inputs).last_hidden_state.mean(dim=1)[0].detach().numpy()
    assert np.abs(request_.features[adapter.id][0] - expected).max() < 1e-5
    bare = backbone.load()(**inputs).last_hidden_state.mean(dim=1)[0].detach().numpy()
    assert np.abs(bare - expected).max() > 0.1


def test_a_source_without_texts_is_not_guessed(request_: RankingRequest) -> None:
    rank = RANKINGS.get("similarity").rank
    known_source = request_.candidates[0].id
    scores = rank(replace(request_, texts={known_source: request_.texts[known_source]}))
    assert scores[known_source].value is not None
    others = [scores[source.id] for source in request_.candidates[1:]]
    assert all(score.value is None and "not available" in (score.reason or "") for score in others)
    assert all(score.value is None for score in rank(replace(request_, texts={})).values())


def test_one_label_alone_is_refused(request_: RankingRequest, target: Task) -> None:
    rows = target.splits["train"].filter(lambda row: row["label"] == 0)
    alone = replace(request_, target=replace(target, splits={**target.splits, "train": rows}))
    with pytest.raises(InputError, match="fewer than two labels"):
        RANKINGS.get("logme").rank(alone)
    with pytest.raises(InputError, match="answered in words"):
        RANKINGS.get("trial").rank(replace(request_, target=replace(target, labels=())))


def test_features_that_overflow_get_a_reason(request_: RankingRequest) -> None:
    broken = replace(request_)
    name = request_.candidates[0].id
    broken.__dict__["features"] = {**request_.features, name: np.full((16, 32), np.inf)}
    scores = RANKINGS.get("trial").rank(broken)
    assert scores[name] == Score(None, NOT_FINITE)
    assert best_first(scores)[-1] == name


def test_best_first_keeps_the_order_of_equal_scores() -> None:
    scores = {"a": Score(0.1), "b": Score(None, "why"), "c": Score(0.3), "d": Score(0.1)}
    assert best_first(scores) == ["c", "a", "d", "b"]
