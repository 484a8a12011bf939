"""Texts whose task nobody names: routed predictions from the command line, and the class-incremental evaluation."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from torch import Tensor

from adapter_workbench.experiments.studies.core.joint_task import ALL_EXAMPLES, joint_task
from adapter_workbench.experiments.studies.routing.record import outcome
from adapter_workbench.experiments.studies.routing.work import joint_outcome, routed
from adapter_workbench.experiments.workspace import Workspace, evaluating
from adapter_workbench.experiments.workspace.routers import known_state, part_folders, with_floors
from adapter_workbench.fusion.routing.rejection import Rejection
from adapter_workbench.fusion.routing.route import RoutingState
from adapter_workbench.fusion.routing.routed_texts import adapters_for_texts
from adapter_workbench.fusion.routing.routers import ROUTERS
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.backbone.feature_store import FEATURES, FeatureStore
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.sampling import draw
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson, learn
from tests.conftest import FRUITS, SUBJECTS, Call, make_task
from tests.streams import write_recipe

TASKS = (make_task("animals", SUBJECTS[:4], SUBJECTS[4:]), make_task("fruits", FRUITS[:4], FRUITS[4:]))
BUDGET = Budget(epochs=4, batch_size=8, max_length=16, precision="fp32", train_examples=32, eval_examples=12)


def learned(task: Task, backbone: Backbone, workspace: Workspace, budget: Budget = BUDGET) -> StoredAdapter:
    adaptation = Adaptation(backbone, "lora", METHODS.get("lora").settings(learning_rate=2e-2), "fp32")
    return learn(Lesson(task, adaptation, budget, 0), workspace.adapters, Silent(), task.name)


def own_answers(adapters: list[StoredAdapter], backbone: Backbone) -> list[np.ndarray]:
    """Return for each task (n_j,) whether its own adapter labels each test text rightly."""
    pairs = zip(adapters, TASKS, strict=True)
    tests = [
        evaluating.evaluate_model(open_adapter(adapter, backbone), task, backbone, BUDGET) for adapter, task in pairs
    ]
    return [evaluation.outcomes["correct"].to_numpy() for evaluation in tests]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("workspace"))


def test_scores_of_a_task_free_evaluation_by_hand() -> None:
    """Of task 0's four texts three are routed rightly and two answered rightly; of task 1's two, one and none."""
    result = outcome(
        (np.array([0, 0, 0, 1]), np.array([1, 0])), (np.array([True, True, False, False]), np.array([False, False]))
    )
    assert (result.counts, result.correct) == (((3, 1), (1, 1)), ("1100", "00"))
    assert result.accuracy == (0.5 + 0) / 2
    assert result.routing_accuracy == (0.75 + 0.5) / 2
    np.testing.assert_array_equal(result.confusion, [[0.75, 0.25], [0.5, 0.5]])


def test_an_answer_counts_where_task_and_label_are_right(backbone: Backbone, workspace: Workspace) -> None:
    adapters = [learned(task, backbone, workspace) for task in TASKS]
    own = own_answers(adapters, backbone)
    settings = ROUTERS.get("oracle").settings()
    state = known_state(workspace, "oracle", settings, adapters, backbone, lambda _: TASKS[0], Silent())

    result = routed(state, TASKS, own, BUDGET)
    assert result.routing_accuracy == 1.0
    assert result.accuracy == np.mean([right.mean() for right in own]), "the oracle is as good as the adapters are"
    assert [*map(len, result.correct)] == [12, 12], "the budget's share of the test split"


def test_a_router_finds_the_tasks_that_words_tell_apart(backbone: Backbone, workspace: Workspace) -> None:
    adapters = [learned(task, backbone, workspace) for task in TASKS]
    own, settings = own_answers(adapters, backbone), ROUTERS.get("mahalanobis").settings()
    by_id = {adapter.id: draw(task, BUDGET, 0) for adapter, task in zip(adapters, TASKS, strict=True)}
    asked = []

    def task_of(adapter: StoredAdapter) -> Task:
        asked.append(adapter.id)
        return by_id[adapter.id]

    def state() -> RoutingState:
        return known_state(workspace, "mahalanobis", settings, adapters, backbone, task_of, Silent())

    result = routed(state(), TASKS, own, BUDGET)
    assert result.routing_accuracy > 0.7
    for index, right in enumerate(own):
        answered = np.array([*result.correct[index]]) == "1"
        assert not (answered & ~right).any(), "an answer is right only where the task's own adapter is"
        assert answered.sum() <= result.counts[index][index]
    assert routed(state(), TASKS, own, BUDGET) == result
    assert asked == [adapter.id for adapter in adapters], "what is known is not learned again"


def test_a_router_that_rejects_is_prepared_once(
    backbone: Backbone, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapters, prepared = [learned(task, backbone, workspace) for task in TASKS], []
    by_id = {adapter.id: draw(task, BUDGET, 0) for adapter, task in zip(adapters, TASKS, strict=True)}
    card = ROUTERS.get("mahalanobis")

    def counted(parts: Any, settings: Any) -> Any:
        prepared.append(len(parts))
        return card.prepare(parts, settings)

    monkeypatch.setattr("adapter_workbench.fusion.routing.routers.mahalanobis.ROUTER", replace(card, prepare=counted))
    given = "mahalanobis", card.settings(), adapters, backbone, lambda adapter: by_id[adapter.id], Silent()
    state = known_state(workspace, *given)

    def validation_of(adapter: StoredAdapter) -> Dataset:
        return by_id[adapter.id].splits["validation"]

    rejecting = with_floors(workspace, state, Rejection(share=0.2), validation_of, Silent())
    assert rejecting.floors is not None
    adapters_for_texts(rejecting, TASKS[0].splits["test"])
    assert prepared == [len(TASKS)]


def test_validation_texts_are_encoded_once_where_adapters_come_and_go(
    backbone: Backbone, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapters = [learned(task, backbone, workspace) for task in TASKS]
    by_id = {adapter.id: draw(task, BUDGET, 0) for adapter, task in zip(adapters, TASKS, strict=True)}
    computed: list[str] = []
    get = FeatureStore.get

    def counted(store: FeatureStore, body: str, batch: str, compute: Callable[[], Tensor]) -> Tensor:
        def noted() -> Tensor:
            computed.append(batch)
            return compute()

        return get(store, body, batch, noted)

    def scored(*some: StoredAdapter) -> int:
        """Return how many batches were read when the validation texts of these adapters were scored."""
        settings = ROUTERS.get("prototype").settings()
        state = known_state(workspace, "prototype", settings, some, backbone, lambda known: by_id[known.id], Silent())
        before = len(computed)
        with_floors(
            workspace, state, Rejection(share=0.2), lambda known: by_id[known.id].splits["validation"], Silent()
        )
        return len(computed) - before

    FEATURES.clear()
    monkeypatch.setattr(FeatureStore, "get", counted)
    assert scored(*adapters) == len(TASKS)
    assert scored(adapters[0]) == scored(*reversed(adapters)) == 0


def test_what_a_router_knows_is_compared_with_its_digests_once(
    backbone: Backbone, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapters, compared = [learned(task, backbone, workspace) for task in TASKS], []
    monkeypatch.setattr(
        "adapter_workbench.fusion.routing.route.checksummed.require_sound", lambda folder, **_: compared.append(folder)
    )
    given = ROUTERS.get("arrow").settings(), adapters, backbone, lambda _: TASKS[0], Silent()
    known_state(workspace, "arrow", *given)
    again = Workspace(workspace.root)
    for _ in range(3):
        known_state(again, "arrow", *given)
    assert compared == part_folders(again, "arrow", *given[:3])


def test_joint_training_gets_the_same_examples_under_labels_of_their_own() -> None:
    joint = joint_task(TASKS, BUDGET, seed=3)
    assert joint.labels == ("animals: first", "animals: second", "fruits: first", "fruits: second")
    drawn = [draw(task, BUDGET, 3) for task in TASKS]
    for split, rows in joint.splits.items():
        assert rows["text"][:] == [text for task in drawn for text in task.splits[split]["text"][:]]
        labels = [2 * index + label for index, task in enumerate(drawn) for label in task.splits[split]["label"][:]]
        assert rows["label"][:] == labels
        assert len(set(rows["id"][:])) == len(rows)
    assert joint.fingerprint != joint_task(TASKS, BUDGET, seed=4).fingerprint


def test_tasks_with_pairs_and_without_are_joined_row_by_row() -> None:
    def paired(rows: Dataset) -> Dataset:
        return rows.add_column("text_pair", rows["text"][:])

    pairs = replace(TASKS[1], splits={split: paired(rows) for split, rows in TASKS[1].splits.items()})
    joint = joint_task((TASKS[0], pairs), BUDGET, 0)
    single, pair = (draw(task, BUDGET, 0).splits["train"] for task in (TASKS[0], pairs))
    assert joint.splits["train"]["text_pair"][:] == [None] * len(single) + pair["text"][:]


def test_a_joint_model_is_taken_at_its_word(backbone: Backbone, workspace: Workspace) -> None:
    joint, budget = joint_task(TASKS, BUDGET, 0), BUDGET.model_copy(update=ALL_EXAMPLES)
    model = open_adapter(learned(joint, backbone, workspace, budget), backbone)
    result = joint_outcome(model, joint, TASKS, backbone, budget)
    answers = evaluating.evaluate_model(model, joint, backbone, budget).outcomes
    names = np.array([label.partition(":")[0] for label in joint.labels])
    predicted, true = (names[answers[column].to_numpy()] for column in ("prediction", "label"))
    for index, task in enumerate(TASKS):
        own = true == task.name
        assert result.counts[index] == tuple(int((predicted[own] == other.name).sum()) for other in TASKS)
        assert result.correct[index] == "".join(map(str, answers["correct"][own].astype(int)))
    assert result.accuracy <= result.routing_accuracy
    assert result.routing_accuracy > 0.5


def test_predict_asks_the_adapter_that_a_router_chooses(call: Call, bert: Path, tmp_path: Path) -> None:
    write_recipe(tmp_path, bert)
    code, _, err = call("predict", "router:prototype", "cat")
    assert code == 2
    assert "no adapters" in err

    settings = ["--set", "learning_rate=0.02", "--set", "budget.max_length=16", "--set", "budget.precision=fp32"]
    ids = []
    for task, method, seed in (("animals", "lora", "0"), ("halves", "lora", "0"), ("halves", "pfeiffer", "1")):
        command = ["train", task, "--method", method, "--backbone", str(bert), "--seed", seed, "--json"]
        code, out, err = call(*command, *settings)
        assert code == 0, err
        ids.append(json.loads(out)["adapter"])

    code, out, err = call("predict", "halves", "a plum", "--json")
    assert code == 0, err
    meant = json.loads(out)[0]["adapter"]
    code, out, err = call("predict", "router:prototype", "the cat very", "a plum", "--json")
    assert code == 0, err
    answers = json.loads(out)
    assert [answer["text"] for answer in answers] == ["the cat very", "a plum"]
    assert {answer["adapter"] for answer in answers} <= {ids[0], meant}, "of each task the one that its name means"
    for answer in answers:
        code, out, _ = call("predict", answer["adapter"], answer["text"], "--json")
        alone = json.loads(out)[0]
        assert (alone["label"], alone["confidence"]) == (answer["label"], pytest.approx(answer["confidence"], abs=1e-4))
        assert -1 <= answer["routing_score"] <= 1

    two = ["--among", f"{ids[0]},{ids[2]}"]
    code, out, err = call("predict", "router:learned", "the cat very", "a plum", "--set", "asked=2", "--json", *two)
    assert code == 0, err
    assert {answer["adapter"] for answer in json.loads(out)} <= {ids[0], ids[2]}, "of two methods, both are asked"
    assert all(answer["routing_score"] <= 0 for answer in json.loads(out)), "the logarithm of a probability"

    code, out, err = call("predict", "router:arrow", "the cat very", "--json")
    assert code == 0, err
    assert json.loads(out)[0]["adapter"] in ids[:2], "arrow leaves out what is no LoRA"

    code, out, err = call("predict", "router:prototype", "the cat very", "--among", ids[1], "--set", "level=task")
    assert code == 0, err
    assert ids[1] in out
    assert "routing score" in out


def test_what_a_router_cannot_do_is_said(call: Call, bert: Path, llama: Path, tmp_path: Path) -> None:
    write_recipe(tmp_path, bert)
    settings = ["--set", "budget.max_length=16", "--set", "budget.epochs=1"]
    ids = []
    for task, backbone, method in (("animals", bert, "lora"), ("halves", bert, "pfeiffer"), ("fruits", llama, "lora")):
        command = ["train", task, "--method", method, "--backbone", str(backbone), "--json"]
        code, out, err = call(*command, *settings)
        assert code == 0, err
        ids.append(json.loads(out)["adapter"])
    expected = {
        ("router:prototyp",): "Did you mean prototype",
        ("router:prototype",): "several backbones",
        ("router:prototype", "--among", f"{ids[0]},{ids[2]}"): "several backbones",
        ("router:arrow", "--among", f"{ids[0]},{ids[1]}"): f"{ids[1]} is an adapter of adapters (pfeiffer)",
        ("router:prototype", "--among", "nothing"): "there is no adapter called 'nothing'",
        ("router:prototype", "--among", ids[0], "--pair", "dog"): "answer for single texts",
        ("router:prototype", "--among", ids[0], "--set", "levels=task"): "Did you mean level",
        ("router:oracle", "--among", ids[0]): "true task",
        (ids[0], "--among", ids[1]): "need a router",
    }
    for (name, *options), message in expected.items():
        code, out, err = call("predict", name, "the cat very", *options)
        assert (code, out) == (2, ""), (name, options)
        assert message in err

    data = tmp_path / "tasks" / "animals-train.csv"
    data.write_text(data.read_text() + "another cat,first\n", encoding="utf-8")
    code, _, err = call("predict", "router:prototype", "the cat very", "--among", ids[0])
    assert code == 2
    assert "have changed" in err
    shutil.rmtree(tmp_path / "tasks")
    code, _, err = call("predict", "router:prototype", "the cat very", "--among", ids[0])
    assert code == 2
    assert "training examples" in err
    assert "no task called 'animals'" in err
    code, _, err = call("predict", "router:arrow", "the cat very", "--among", ids[0])
    assert code == 0, err
