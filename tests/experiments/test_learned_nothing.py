"""Whether an adapter has learned anything, told from what it answered; expected values are counted by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from adapter_workbench.experiments.reporting.learned_nothing import (
    advice,
    learned_nothing,
    learned_nothing_in,
    macro_f1,
)
from adapter_workbench.experiments.reporting.wording import baseline, score
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import Call
from tests.streams import write_tasks
from tests.workbench.test_store import manifest


def answers(labels: list[int], predictions: list[int]) -> tuple[pd.DataFrame, float]:
    """Return outcomes of a classification, and their accuracy."""
    outcomes = pd.DataFrame({"label": labels, "prediction": predictions})
    outcomes["correct"] = outcomes["label"] == outcomes["prediction"]
    return outcomes, float(outcomes["correct"].mean())


TWO_IN_THREE = [0, 0, 1] * 100


def test_one_answer_to_everything_is_nothing_learned() -> None:
    assert learned_nothing(*answers(TWO_IN_THREE, [0] * 300)) == "it gives the same answer to all 300 test examples"
    assert learned_nothing(*answers(TWO_IN_THREE, [1] * 300)) is not None, "below the majority too"


def test_a_handful_of_other_answers_is_no_more() -> None:
    outcomes, accuracy = answers(TWO_IN_THREE, [1, 0, 1, *[0] * 297])  # one right, one wrong in place of the majority
    assert accuracy == pytest.approx(200 / 300)
    reason = learned_nothing(outcomes, accuracy)
    assert reason == (
        "its score on 300 test examples (66.7 %) is not above that of always giving the answer that is most frequent in"
        " the test split (66.7 %)"
    )


def test_a_score_that_is_above_by_chance_is_called_above() -> None:
    outcomes, accuracy = answers([0] * 4 + [1] * 4 + [2] * 4, [0, 1, 1, 1, 1, 0, 0, 0, 2, 2, 2, 2])  # 6 of 12 right
    reason = str(learned_nothing(outcomes, accuracy))
    assert "(50.0 %) is above that of always giving" in reason
    assert reason.endswith("in the test split (33.3 %) by no more than chance may do")


def test_another_baseline_than_that_of_the_training_split_is_called_so() -> None:
    outcomes, accuracy = answers([0, 0, 1, 2], [1, 2, 2, 1])
    reason = str(learned_nothing(outcomes, accuracy, 0.25))  # the training split has more of label 1
    assert "is most frequent in the test split (50.0 %)" in reason


def with_hits(right: int, wrong: int) -> tuple[pd.DataFrame, float]:
    """Return always the frequent label of 300 examples, but for some right and some wrong ones of the other."""
    predictions = [0] * 300
    predictions[2 : 3 * right : 3] = [1] * right
    predictions[0 : 3 * wrong : 3] = [1] * wrong
    return answers(TWO_IN_THREE, predictions)


def test_the_difference_has_to_be_more_than_chance() -> None:
    # accuracy: mean gain (right − wrong) ÷ 300, standard error √(right + wrong) ÷ 300 nearly
    # macro F1: in a random order a third of the m = right + wrong hits, variance m · ⅓ · ⅔ · (300 − m) ÷ 299
    for right, wrong, learned in ((8, 8, False), (12, 4, True), (11, 5, True)):
        by_accuracy = right - wrong > 1.96 * (right + wrong) ** 0.5
        assert by_accuracy == ((right, wrong) == (12, 4)), "the last is shown by macro F1 alone"
        assert (learned_nothing(*with_hits(right, wrong)) is None) == learned


def test_nearly_one_answer_to_everything_is_next_to_nothing() -> None:
    outcomes, accuracy = with_hits(right=5, wrong=0)
    assert accuracy == pytest.approx(205 / 300), "above the majority by more than chance, so accuracy alone is content"
    # F1 of the frequent label 2 · 200 ÷ (200 + 295), of the other 2 · 5 ÷ (100 + 5); always the first: 0.8 and 0
    assert learned_nothing(outcomes, accuracy) == (
        "it gives the same answer to 98.3 % of 300 test examples, and its macro F1 over their labels (45.2 %) is "
        "hardly above that of giving it to all (40.0 %)"
    )
    rare = [1] * 20 + [0] * 980
    assert learned_nothing(*answers(rare, [1] * 10 + [0] * 990)) is None, "it finds every second of the rare ones"
    assert "99.8 %" in str(learned_nothing(*answers(rare, [1] * 2 + [0] * 998)))


def test_a_rare_label_found_at_the_price_of_accuracy_is_learned() -> None:
    labels, given = [1] * 50 + [0] * 950, [1] * 40 + [0] * 10 + [1] * 110 + [0] * 840
    outcomes, accuracy = answers(labels, given)
    assert accuracy == pytest.approx(0.88), "always the frequent label would be right for 95 %"
    assert learned_nothing(outcomes, accuracy) is None
    guessed = np.random.default_rng(0).permutation(given).tolist()
    assert learned_nothing(*answers(labels, guessed)) is not None, "the same answers in another order"


def test_chance_is_that_of_all_orders_of_the_answers() -> None:
    """Beside all 720 orders of six answers, scored by scikit-learn over the labels that the examples have."""
    labels, given = [0, 0, 1, 2, 2, 2], [0, 1, 1, 2, 3, 2]
    every = [
        f1_score(labels, order, labels=[0, 1, 2], average="macro", zero_division=0) for order in permutations(given)
    ]
    known = macro_f1(np.array(labels), np.array(given))
    assert known.score == pytest.approx(f1_score(labels, given, labels=[0, 1, 2], average="macro"))
    assert (known.chance, known.deviation) == (pytest.approx(np.mean(every)), pytest.approx(np.std(every)))
    assert known.constant == pytest.approx(f1_score(labels, [2] * 6, average="macro", zero_division=0))


def test_good_answers_to_a_task_with_one_frequent_label_count() -> None:
    labels = [1] * 10 + [0] * 190
    assert learned_nothing(*answers(labels, labels)) is None, "95 % would be right without looking"


@pytest.mark.parametrize(("noise", "learned"), [(0.5, True), (3.0, False)])
def test_numbers_are_held_against_the_mean(noise: float, learned: bool) -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=200)
    predictions = values + noise * generator.normal(size=200)
    outcomes = pd.DataFrame({"value": values, "prediction": predictions, "error": predictions - values})
    r2 = 1 - float((outcomes["error"] ** 2).mean() / values.var())
    reason = learned_nothing(outcomes, r2)
    assert (reason is None) == learned
    assert learned or ("always giving the test split's mean (0.000)" in str(reason) and "%" not in str(reason))
    constant = outcomes.assign(prediction=0.5 + values * 1e-4, error=0.5 - values)
    assert learned_nothing(constant, -0.25) == "it gives nearly the same number to all 200 test examples"


def test_other_kinds_are_held_against_the_constant_that_is_known() -> None:
    outcomes = pd.DataFrame({"answer": list("abcd"), "prediction": list("abxy"), "score": [1.0, 1.0, 0.0, 0.0]})
    assert learned_nothing(outcomes, 0.5, 0.25) is None
    assert "(25.0 %)" in str(learned_nothing(outcomes, 0.25, 0.25))
    assert learned_nothing(outcomes, 0.5) is None, "nothing to compare with"
    assert "same answer" in str(learned_nothing(outcomes.assign(prediction="a"), 0.25))
    sets = pd.DataFrame({"label": ["0", "0 1", "1"], "prediction": ["0", "1", "1"], "correct": [True, False, True]})
    assert learned_nothing(sets, 0.8, 0.4) is None


def test_what_is_not_there_is_not_judged(tmp_path: Path) -> None:
    assert learned_nothing_in(tmp_path / "none.parquet", 0.5) is None


def test_advice_fits_the_adapter() -> None:
    plain = manifest().model_copy(update={"settings": {"learning_rate": 0.0003}, "budget": Budget(epochs=3)})
    text = advice(plain, "so")
    for option in ("budget.epochs=6", "learning_rate=0.0009", "learning_rate=0.0001", "budget.balanced=true", "more"):
        assert option in text
    few = plain.model_copy(update={"budget": Budget(train_examples=50, balanced=True)})
    assert "budget.train_examples=100" in advice(few, "so")
    assert "balanced" not in advice(few, "so")
    untrained = plain.model_copy(update={"fit": replace(plain.fit, steps=0)})
    assert "epochs" not in advice(untrained, "so")


def test_scores_of_numbers_are_not_percentages() -> None:
    assert (score("validation_r2", -0.0123), score("test_mae", 1.5)) == ("−0.012", "1.500")
    assert (score("test_macro_f1", 0.5), baseline("classification")) == ("50.0 %", "majority baseline")
    assert baseline("regression") == "always the mean"
    assert baseline("causal-lm") == baseline("seq2seq") == "always the most frequent answer"


def test_train_and_show_and_compare_say_so(call: Call, bert: Path, tmp_path: Path) -> None:
    write_tasks(tmp_path)
    settings = ["--set", "budget.max_length=16", "--set", "budget.epochs=1"]
    options = ["--backbone", str(bert), *settings]
    still = ["--set", "learning_rate=1e-9"]
    code, out, err = call("train", "animals", "--method", "lora", *options, *still)
    assert (code, "next to nothing: " in out) == (0, True), err
    assert "budget.balanced=true" in out
    document = json.loads(call("train", "animals", "--method", "lora", *options, *still, "--json")[1])
    assert "test examples" in document["learned_nothing"]
    worst = document["worst_label"]
    assert worst["f1"] == min(worst["f1"], document["metrics"]["test_macro_f1"]), "of two labels one is below the mean"
    assert f"{worst['label']}: F1 {100 * worst['f1']:.1f} % (precision " in out
    assert "learned nothing" in call("adapters", "show", "animals")[1]
    shown = json.loads(call("adapters", "show", "animals", "--json")[1])
    assert shown["learned_nothing"] == document["learned_nothing"]
    assert shown["test"]["accuracy"] == document["metrics"]["test_accuracy"]
    code, out, err = call(
        "compare", "animals", "--methods", "lora", "--seeds", "1", *options, "--set", "methods.lora.learning_rate=1e-9"
    )
    assert (code, "nothing of animals (seed 0): " in out) == (0, True), err
    (method,) = json.loads(call("report", "compare-animals", "--json")[1])["methods"].values()
    assert method["learned_nothing"][0]["task"] == "animals"


def test_a_stream_says_that_nothing_was_learned_here(call: Call, recipe: Path) -> None:
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(text.replace("0.02}", "1e-9}").replace("0.003}", "1e-9}").replace("epochs: 4", "epochs: 1"))
    code, out, err = call("run", str(recipe))
    assert code == 0, err
    printed = " ".join(out.split())
    assert (
        "! Nothing or next to nothing was learned here, by no strategy and of no task. isolated on animals" in printed
    )
    assert "To try: more epochs, another learning rate" in printed
    strategies = json.loads(call("report", "stream", "--json")[1])["strategies"]
    assert [entry["task"] for entry in strategies["sequential"]["learned_nothing"]] == ["animals", "halves", "fruits"]
    assert strategies["isolated"]["learned_nothing"][0]["seed"] == 0
