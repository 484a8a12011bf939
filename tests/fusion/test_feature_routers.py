"""Routers that compute with features alone, on drawn ones: their formulas, and what stays when a task is added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from datasets import Dataset
from numpy.typing import NDArray
from scipy.special import softmax

from adapter_workbench.fusion.routing.class_moments import covariance
from adapter_workbench.fusion.routing.routers import ROUTERS, Part, Query, Router, learned, ranpac
from adapter_workbench.workbench.errors import InputError

HIDDEN = 6
Examples = tuple[NDArray[np.float32], NDArray[np.int64]]


def examples(task: int, count: int = 40) -> Examples:
    """Return features (count, 6) and labels of a task with two Gaussian classes."""
    generator = np.random.default_rng(task)
    centres, labels = 2 * generator.normal(size=(2, HIDDEN)), np.arange(count) % 2
    return (centres[labels] + generator.normal(size=(count, HIDDEN))).astype(np.float32), labels


def fitted(name: str, task: Examples, **settings: Any) -> Part:
    card, (features, labels) = ROUTERS.get(name), task
    adapter: Any = SimpleNamespace(id="own", manifest=SimpleNamespace(seed_here=5))
    drawn: Any = SimpleNamespace(splits={"train": Dataset.from_dict({"label": labels})})
    return card.fit(adapter, drawn, reading(features), card.settings(**settings))


def reading(features: NDArray[np.float32]) -> Any:
    return SimpleNamespace(features=lambda rows: features)


def scores(name: str, parts: Sequence[Part], features: NDArray[np.float32], **settings: Any) -> NDArray[Any]:
    card: Router = ROUTERS.get(name)
    chosen = card.settings(**settings)
    query = Query(Dataset.from_dict({"text": [""] * len(features)}), reading(features))
    return card.score(card.prepare(parts, chosen), query, chosen)


class TestRanpac:
    SETTINGS: ClassVar[dict[str, Any]] = {"width": 30, "seed": 3}

    def hidden(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return max(f W, 0) by a projection drawn here."""
        drawn = np.random.RandomState(3).standard_normal((HIDDEN, 30))
        return np.maximum(features.astype(float) @ drawn, 0)

    def parts(self, tasks: Sequence[Examples], **settings: Any) -> list[Part]:
        return [fitted("ranpac", task, **self.SETTINGS, **settings) for task in tasks]

    @pytest.mark.parametrize("level", ["class", "task"])
    def test_it_is_the_ridge_regression_that_the_held_out_examples_pick(self, level: str) -> None:
        """By hand, with all examples in one matrix, and a system of equations for each of the authors' λ."""
        tasks = [examples(0), examples(1, 23), examples(2, 61)]
        hidden, targets, held = [], [], []
        for index, (features, labels) in enumerate(tasks):
            hidden.append(self.hidden(features))
            targets.append(np.eye(6)[2 * index + labels] if level == "class" else np.eye(3)[[index] * len(labels)])
            order = np.random.default_rng(5).permutation(len(labels))
            held.append(np.isin(np.arange(len(labels)), order[4::5]))
        h, y, out = np.concatenate(hidden), np.concatenate(targets), np.concatenate(held)

        def solved(rows: NDArray[np.bool_], power: int) -> NDArray[np.float64]:
            gram = h[rows].T @ h[rows]
            return np.linalg.solve(gram + 10.0**power * np.mean(np.diag(gram)) * np.eye(30), h[rows].T @ y[rows])

        errors = {power: np.mean((h[out] @ solved(~out, power) - y[out]) ** 2) for power in range(-8, 9)}
        best = min(errors, key=lambda power: errors[power])
        assert -8 < best < 8, "the best is inside of the grid, so that the choice shows"
        asked = examples(1, 9)[0]
        expected = self.hidden(asked) @ solved(np.full(len(h), True), best)
        if level == "class":
            expected = expected.reshape(9, 3, 2).max(axis=2)
        actual = scores("ranpac", self.parts(tasks, level=level), asked, **self.SETTINGS, level=level)
        np.testing.assert_allclose(actual, expected, atol=1e-4)

    def test_tasks_one_after_another_are_all_tasks_at_once(self) -> None:
        tasks = [examples(task, 20 + 7 * task) for task in range(4)]
        parts = self.parts(tasks)
        for name in ("own", "held"):
            whole = ranpac.sums(parts[:1], name)
            for count in range(2, 5):
                later = ranpac.sums(parts[:count], name)
                np.testing.assert_array_equal(later.targets[:, : whole.targets.shape[1]], whole.targets)
                np.testing.assert_allclose(later.gram, whole.gram + ranpac.sums(parts[count - 1 : count], name).gram)
                whole = later
        at_once = self.hidden(np.concatenate([features for features, _ in tasks]))
        summed = ranpac.sums(parts, "own") + ranpac.sums(parts, "held")
        np.testing.assert_allclose(summed.gram, at_once.T @ at_once, rtol=1e-5, atol=1e-4)
        labels = np.concatenate([2 * index + labels for index, (_, labels) in enumerate(tasks)])
        np.testing.assert_allclose(summed.targets, at_once.T @ np.eye(8)[labels], rtol=1e-5, atol=1e-4)

    def test_the_order_of_tasks_does_not_matter(self) -> None:
        parts, order = self.parts([examples(task) for task in range(4)]), [2, 0, 3, 1]
        asked = examples(3, 12)[0]
        in_order = scores("ranpac", parts, asked, **self.SETTINGS)
        again = scores("ranpac", [parts[index] for index in order], asked, **self.SETTINGS)
        np.testing.assert_allclose(again, in_order[:, order], atol=1e-7)

    def test_the_work_to_prepare_grows_linearly_with_the_tasks(self) -> None:
        """Four times the tasks: every part is read at most four times as often in all, not sixteen times."""

        class Counted(dict[str, Any]):
            def __getitem__(self, key: str) -> Any:
                reads[key] += 1
                return super().__getitem__(key)

        def readings(tasks: int) -> Counter[str]:
            reads.clear()
            ranpac.prepare([Counted(part)] * tasks, ranpac.Settings(**self.SETTINGS))
            return Counter(reads)

        reads: Counter[str] = Counter()
        (part,) = self.parts([examples(0)])
        two, eight = readings(2), readings(8)
        assert all(count <= 4 * two[key] for key, count in eight.items())

    def test_a_part_is_no_larger_than_its_examples_or_the_sum_and_has_no_projection(self) -> None:
        (small,), (large,) = self.parts([examples(0, 25)]), self.parts([examples(0, 400)])
        assert small["own_factor"].shape == (20, 30)
        assert small["held_factor"].shape == (5, 30)
        assert large["own_factor"].shape == large["held_factor"].shape == (30, 30)
        assert {part["own_targets"].shape for part in (small, large)} == {(30, 2)}
        assert small.keys() == {"own_factor", "own_targets", "held_factor", "held_targets", "held_examples"}

    def test_many_examples_are_summed_block_by_block(self, monkeypatch: pytest.MonkeyPatch) -> None:
        task = examples(0, 90)
        whole = ranpac.sums(self.parts([task]), "own")
        monkeypatch.setattr(ranpac, "BLOCK", 7)
        blocks = ranpac.sums(self.parts([task]), "own")
        np.testing.assert_allclose(blocks.gram, whole.gram, rtol=1e-5)
        np.testing.assert_allclose(blocks.targets, whole.targets, rtol=1e-5)

    def test_the_length_of_features_does_not_matter(self) -> None:
        """Wᵀh stays as it is where all h are s times as long, G s² times as large, and λ too."""
        tasks = [examples(task) for task in range(3)]
        longer = [(64 * features, labels) for features, labels in tasks]
        asked = examples(1, 10)[0]
        plain = scores("ranpac", self.parts(tasks), asked, **self.SETTINGS)
        np.testing.assert_allclose(scores("ranpac", self.parts(longer), 64 * asked, **self.SETTINGS), plain, atol=1e-6)

    def test_it_tells_tasks_apart_that_have_the_same_mean(self) -> None:
        """Each task has two heaps opposite to each other: no class mean tells the tasks apart."""

        def opposite(axis: int) -> Examples:
            generator = np.random.default_rng(axis)
            features = generator.normal(size=(400, HIDDEN)) / 2
            features[:, axis] += np.where(np.arange(400) % 2, 3, -3)
            return features.astype(np.float32), np.zeros(400, int)

        tasks, share = [opposite(0), opposite(1)], {}
        for name, settings in (("mahalanobis", {}), ("ranpac", {"width": 200})):
            parts = [fitted(name, task, **settings) for task in tasks]
            chosen = [scores(name, parts, features, **settings).argmax(axis=1) for features, _ in tasks]
            share[name] = np.mean([np.mean(own == index) for index, own in enumerate(chosen)])
        assert share["mahalanobis"] < 0.7
        assert share["ranpac"] > 0.95

    def test_too_few_examples_to_choose_by_are_refused(self) -> None:
        few = self.parts([examples(0, 4), examples(1, 4)])
        with pytest.raises(InputError, match="too few examples"):
            ranpac.prepare(few, ranpac.Settings(**self.SETTINGS))
        enough = self.parts([examples(0, 4), examples(1, 5)])
        assert ranpac.prepare(enough, ranpac.Settings(**self.SETTINGS)).labels == (2, 2)


class TestLearned:
    @pytest.mark.parametrize("level", ["class", "task"])
    @pytest.mark.parametrize("trained_on", ["moments", "examples"])
    @pytest.mark.parametrize("tasks", [2, 3])
    def test_it_is_where_the_gradient_of_the_penalised_loss_is_zero(
        self, level: str, trained_on: str, tasks: int
    ) -> None:
        """Σ wᵢ (pᵢ − yᵢ) xᵢᵀ + λ W = 0 and Σ wᵢ (pᵢ − yᵢ) = 0, over features of mean 0 and variance 1, by hand."""
        settings: dict[str, Any] = {"level": level, "trained_on": trained_on, "penalty": 3.0, "seed": 2}
        parts = [fitted("learned", examples(task, 30 + 10 * task), **settings) for task in range(tasks)]
        classifier = learned.prepare(parts, learned.Settings(**settings))
        if trained_on == "examples":
            x = np.vstack([part["features"] for part in parts]).astype(float)
        else:
            generator = np.random.default_rng(2)
            x = np.vstack([learned._draw_rows(part, generator) for part in parts]).astype(float)
        sizes = [30 + 10 * task for task in range(tasks)]
        if level == "class":
            sizes = [size // 2 for size in sizes for _ in range(2)]
        y = np.repeat(np.eye(len(sizes)), sizes, axis=0)
        assert len(x) == len(y)
        probabilities = softmax(x @ classifier.weights + classifier.bias, axis=1)
        own = np.concatenate([np.full(30 + 10 * task, len(x) / tasks / (30 + 10 * task)) for task in range(tasks)])
        residual = own[:, None] * (probabilities - y)
        standard, scaled = (x - x.mean(axis=0)) / x.std(axis=0), classifier.weights * x.std(axis=0)[:, None]
        pulled = 3.0 * scaled
        if len(sizes) == 2:  # a softmax of two has a weight too many: scikit-learn penalises the difference of both
            pulled = np.hstack([-pulled[:, 1:], pulled[:, 1:]])
        np.testing.assert_allclose(standard.T @ residual + pulled, 0, atol=2e-2)
        np.testing.assert_allclose(residual.sum(axis=0), 0, atol=2e-2)

    def test_scores_are_log_probabilities_that_sum_over_the_labels_of_an_adapter(self) -> None:
        parts, asked = [fitted("learned", examples(task)) for task in range(3)], examples(1, 11)[0]
        by_adapter = scores("learned", parts, asked)
        np.testing.assert_allclose(np.exp(by_adapter).sum(axis=1), 1)
        classifier = learned.prepare(parts, learned.Settings())
        by_label = softmax(asked @ classifier.weights + classifier.bias, axis=1)
        np.testing.assert_allclose(np.exp(by_adapter), by_label.reshape(11, 3, 2).sum(axis=2))

    def test_drawn_rows_have_the_means_and_the_shrunk_covariance_of_the_task(self) -> None:
        features, labels = examples(0)
        correlated = (features @ np.tri(HIDDEN)).astype(np.float32)
        part = fitted("learned", (correlated, labels))
        many = {**part, "counts": 1000 * part["counts"]}
        drawn = learned._draw_rows(many, np.random.default_rng(0)).reshape(2, 20_000, HIDDEN)
        expected = covariance([part])
        assert abs(expected - np.diag(np.diag(expected))).max() > 1
        np.testing.assert_allclose(drawn.mean(axis=1), part["means"], atol=0.1)
        for rows in drawn:
            np.testing.assert_allclose(np.cov(rows.T), expected, atol=0.3)

    def test_no_example_is_kept_unless_the_control_is_asked_for(self) -> None:
        few, many = (fitted("learned", examples(0, count)) for count in (20, 400))
        assert few.keys() == {"means", "scatter", "sums", "counts"}
        assert {name: array.shape for name, array in few.items()} == {name: array.shape for name, array in many.items()}
        kept = fitted("learned", examples(0, 20), trained_on="examples")
        assert kept.keys() == {"features", "counts"}
        np.testing.assert_array_equal(np.sort(kept["features"], axis=0), np.sort(examples(0, 20)[0], axis=0))

    @pytest.mark.parametrize("trained_on", ["moments", "examples"])
    def test_the_control_learns_as_many_rows(self, trained_on: str) -> None:
        for rows, counts in ((200, [20, 20]), (7, [7, 7])):
            part = fitted("learned", examples(0), rows=rows, trained_on=trained_on)
            assert part["counts"].tolist() == counts
            assert trained_on == "moments" or len(part["features"]) == sum(counts)

    def test_drawn_rows_teach_what_the_examples_do_where_those_are_gaussian(self) -> None:
        asked = np.vstack([examples(task, 200)[0] for task in range(4)])
        chosen = {
            trained_on: scores(
                "learned",
                [fitted("learned", examples(task, 200), trained_on=trained_on) for task in range(4)],
                asked,
                trained_on=trained_on,
            ).argmax(axis=1)
            for trained_on in ("moments", "examples")
        }
        assert np.mean(chosen["moments"] == chosen["examples"]) > 0.95
        assert np.mean(chosen["moments"] == np.repeat(np.arange(4), 200)) > 0.9

    def test_a_task_with_more_examples_does_not_attract_texts(self) -> None:
        """Both tasks are the same Gaussians: each is right for half of all texts, not for 1/21 of them."""
        settings: dict[str, Any] = {"rows": 10_000, "penalty": 100, "level": "task"}
        parts = [fitted("learned", examples(0, count), **settings) for count in (200, 4000)]
        shares = np.exp(scores("learned", parts, examples(0, 400)[0], **settings)).mean(axis=0)
        np.testing.assert_allclose(shares, [0.5, 0.5], atol=0.05)

    def test_the_only_adapter_is_certain(self) -> None:
        for level in ("class", "task"):
            (part,) = (fitted("learned", examples(0), level=level),)
            np.testing.assert_allclose(scores("learned", [part], examples(0, 3)[0], level=level), 0, atol=1e-12)
