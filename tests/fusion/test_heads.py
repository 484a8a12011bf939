"""Heads on frozen features, beside scikit-learn's own logistic regression."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from adapter_workbench.fusion.target.fitted_by_folds import FOLDS, assign_folds, fit_head_by_folds
from adapter_workbench.fusion.target.fitted_head import ABSENT, GRID, FittedHead, fit, fit_head
from adapter_workbench.workbench.errors import InputError, TrainingError


def blobs(labels: int, size: int, seed: int = 0, spread: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian classes on features of very different scale and offset; the centres do not depend on the seed."""
    centres = np.random.default_rng(99).normal(size=(labels, 12))
    generator = np.random.default_rng(seed)
    answers = np.arange(size) % labels
    features = centres[answers] + spread * generator.normal(size=(size, 12))
    return (features * np.geomspace(0.1, 10, 12) + np.linspace(-3, 3, 12)).astype(np.float32), answers


def probabilities(fitted: FittedHead, features: np.ndarray) -> np.ndarray:
    return fitted.head(torch.from_numpy(features)).softmax(dim=1).detach().numpy()


def reference(c: float, features: np.ndarray, answers: np.ndarray) -> LogisticRegression:
    model = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=1000))
    return model.fit(features.astype(np.float64), answers)


@pytest.mark.parametrize("labels", [2, 3, 5])
def test_layer_gives_the_probabilities_of_scikit_learn(labels: int) -> None:
    train, validation = blobs(labels, 60), blobs(labels, 40, seed=1)
    fitted = fit_head(*train, *validation, labels)
    expected = reference(fitted.inverse_regularisation, *train).predict_proba(validation[0].astype(np.float64))
    assert np.abs(probabilities(fitted, validation[0]) - expected).max() < 1e-5


@pytest.mark.parametrize(("labels", "share"), [(2, 1.0), (3, 0.5), (5, 0.5)])
def test_a_fit_is_the_least_of_its_loss(labels: int, share: float) -> None:
    """Where the gradient of share · ‖W‖² + C Σ −log softmax(W z + b)[y] is 0; of two labels share is 1, not ½."""
    features, answers = blobs(labels, 60)
    wide, c = features.astype(np.float64), 0.1
    weight, bias = fit(wide, answers, labels, c)
    standardised = (wide - wide.mean(axis=0)) / wide.std(axis=0)
    wrong = softmax(wide @ weight.T + bias, axis=1) - np.eye(labels)[answers]
    gradient = 2 * share * weight * wide.std(axis=0) + c * wrong.T @ standardised
    assert np.abs(gradient).max() < 1e-3 < np.abs(c * wrong.T @ standardised).max() / 10


def test_strength_is_the_best_on_the_validation_split() -> None:
    train, validation = blobs(3, 30), blobs(3, 200, seed=1)
    fitted = fit_head(*train, *validation, 3)
    models = {c: reference(c, *train) for c in GRID}
    wide = validation[0].astype(np.float64)
    accuracy = {c: model.score(wide, validation[1]) for c, model in models.items()}
    assert len(set(accuracy.values())) > 1  # else there was nothing to choose
    assert accuracy[fitted.inverse_regularisation] == max(accuracy.values()) == fitted.validation
    rows = models[fitted.inverse_regularisation].predict_log_proba(wide)[np.arange(200), validation[1]]
    assert fitted.validation_log_likelihood == pytest.approx(rows.mean(), abs=1e-4)


def test_of_equal_accuracies_the_likelihood_decides() -> None:
    train, validation = blobs(2, 40, spread=0.1), blobs(2, 40, seed=1, spread=0.1)
    fitted = fit_head(*train, *validation, 2)
    assert fitted.validation == 1.0  # many strengths separate these; the weakest is the surest
    assert fitted.inverse_regularisation == GRID[-1]


def test_of_equal_fits_the_strongest_regularisation_is_kept() -> None:
    constant = np.ones((8, 3), dtype=np.float32)
    answers = [0, 1] * 4
    assert fit_head(constant, answers, constant, answers, 2).inverse_regularisation == GRID[0]


def test_without_a_validation_split_the_strength_is_that_of_scikit_learn_s_cross_validation() -> None:
    features, answers = blobs(3, 47, spread=4.0)
    fitted = fit_head_by_folds(features, answers, 3)
    folds = PredefinedSplit(assign_folds(answers, FOLDS, seed=0))
    right = {}
    for c in GRID:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=1000))
        right[c] = (cross_val_predict(model, features.astype(np.float64), answers, cv=folds) == answers).mean()
    assert len(set(right.values())) > 1  # else there was nothing to choose
    assert right[fitted.inverse_regularisation] == max(right.values()) == pytest.approx(fitted.validation)
    expected = reference(fitted.inverse_regularisation, features, answers).predict_proba(features.astype(np.float64))
    assert np.abs(probabilities(fitted, features) - expected).max() < 1e-5, "fitted on all rows"


def test_few_rows_are_left_out_one_by_one() -> None:
    features, answers = blobs(2, 4)
    assert fit_head_by_folds(features, answers, 2).validation in (0, 0.25, 0.5, 0.75, 1)
    only = fit_head_by_folds(features[:1], answers[:1], 2)
    assert only.inverse_regularisation == GRID[0]
    assert probabilities(only, features)[:, 0].min() > 0.99, "its label is the answer"


@pytest.mark.parametrize("present", [[1], [0, 3], [0, 2, 3]])
def test_labels_without_examples_are_there_and_never_the_answer(present: list[int]) -> None:
    features, answers = blobs(4, 80)
    some = np.isin(answers, present)
    fitted = fit_head(features[some], answers[some], features, answers, 4)
    assert fitted.head.weight.shape == (4, 12)
    absent = [label for label in range(4) if label not in present]
    assert (fitted.head.weight[absent] == 0).all()
    assert (fitted.head.bias[absent] == ABSENT).all()
    far = 1000 * np.random.default_rng(0).normal(size=(500, 12)).astype(np.float32)
    assert set(probabilities(fitted, far).argmax(axis=1)) <= set(present)
    assert fitted.validation <= some.mean()
    if len(present) > 1:
        expected = reference(fitted.inverse_regularisation, features[some], answers[some])
        wide = features[some].astype(np.float64)
        assert np.abs(probabilities(fitted, features[some])[:, present] - expected.predict_proba(wide)).max() < 1e-5


def test_a_feature_that_hardly_varies_gets_no_weight_that_gradients_drown_in() -> None:
    """Three dimensions of MiniLM vary by 1e-32 to 1e-9: weights of 1e30 left no other gradient after clipping."""
    features, labels = blobs(2, 40)
    dead = np.random.default_rng(1).standard_normal((len(features), 2)) * [1e-32, 1e-9]
    wide = np.hstack([features, dead.astype(np.float32)])
    head = fit_head(wide, labels, wide, labels, 2).head
    assert float(head.weight.abs().max()) < 1e3
    assert torch.isfinite(head.weight.norm())
    plain = fit_head(features, labels, features, labels, 2).head
    torch.testing.assert_close(head.weight[:, :-2], plain.weight, rtol=1e-3, atol=1e-4)


def test_what_cannot_be_fitted_is_refused() -> None:
    features, answers = blobs(2, 10)
    with pytest.raises(InputError, match="validation split"):
        fit_head(features, answers, features[:0], answers[:0], 2)
    with pytest.raises(InputError, match="labels 0 to 1, but the task has 1"):
        fit_head(features, answers, features, answers, 1)
    broken = features.copy()
    broken[3, 3] = np.nan
    with pytest.raises(TrainingError, match="not all finite"):
        fit_head(broken, answers, features, answers, 2)
