"""Many adapters on one backbone answer as each does alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset, concatenate_datasets

from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.answering.evaluation import predict
from adapter_workbench.workbench.answering.serving import Serving, answers
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.libraries import LIBRARIES
from adapter_workbench.workbench.methods.library import Hosts
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson, learn
from tests.conftest import FRUITS, SUBJECTS, make_task, toy
from tests.elsewhere.architectures import write_base
from tests.messages import naming

BUDGET = Budget(epochs=2, batch_size=8, max_length=16, precision="fp32")
THREE = Task(
    "three",
    "classification",
    ("first", "second", "third"),
    {
        split: rows.map(lambda row: {"label": len(row["text"]) % 3})
        for split, rows in make_task("three", SUBJECTS, FRUITS).splits.items()
    },
    "fingerprint of three",
    "made in tests",
)
TASKS = (make_task("animals", SUBJECTS, FRUITS), make_task("halves", SUBJECTS[:4], SUBJECTS[4:]), THREE)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> AdapterStore:
    return AdapterStore(tmp_path_factory.mktemp("serving"))


def trained(
    method: str, backbone: Backbone, store: AdapterStore, tasks: tuple[Task, ...] = TASKS
) -> list[StoredAdapter]:
    """Return an adapter for each task; of LoRAs each has another rank."""
    adapters = []
    for index, task in enumerate(tasks):
        own = {"rank": 2 + 2 * index} if method == "lora" else {}
        settings = METHODS.get(method).settings(learning_rate=2e-2, **own)
        lesson = Lesson(task, Adaptation(backbone, method, settings, "fp32"), BUDGET, 0)
        adapters.append(learn(lesson, store, Silent(), task.name))
    return adapters


def mixed_rows(adapters: list[StoredAdapter]) -> tuple[Dataset, list[str]]:
    """Return the texts of all tasks in random order, and the id of the adapter for each."""
    rows = concatenate_datasets([task.splits["test"].select_columns(["id", "text"]) for task in TASKS])
    owners = [
        adapter.id for adapter, task in zip(adapters, TASKS, strict=True) for _ in range(len(task.splits["test"]))
    ]
    order = np.random.default_rng(0).permutation(len(rows))
    return rows.select(order), [owners[index] for index in order]


def alone(
    adapters: list[StoredAdapter], backbone: Backbone, rows: Dataset, owners: list[str]
) -> list[tuple[str, float]]:
    """Return what a model of its own answers to each row."""
    by_id = {adapter.id: (open_adapter(adapter, backbone), adapter.manifest.task.labels) for adapter in adapters}
    replies = []
    for index, owner in enumerate(owners):
        model, labels = by_id[owner]
        logits = model.kind.answers(model, rows.select([index]), backbone.tokenizer, BUDGET.max_length)
        replies += model.kind.say(logits, labels)
    return replies


@pytest.mark.parametrize("method", ["lora", "pfeiffer", "houlsby"])
def test_rows_of_one_batch_are_answered_by_their_own_adapters(
    method: str, backbone: Backbone, store: AdapterStore
) -> None:
    adapters = trained(method, backbone, store)
    serving = Serving(adapters, backbone)
    rows, owners = mixed_rows(adapters)
    passes = []
    serving.body.register_forward_hook(lambda *_: passes.append(1))
    together, wanted = serving.answers(rows, owners), alone(adapters, backbone, rows, owners)
    assert serving.mixes
    assert len(passes) == 2, "72 rows of three adapters are two batches of 64 and 8, not one for each adapter"
    assert [label for label, *_ in together] == [label for label, _ in wanted]
    np.testing.assert_allclose([sure for _, sure, *_ in together], [sure for _, sure in wanted], atol=1e-5)


def test_mixed_loras_are_as_good_as_one_and_leave_no_trace(backbone: Backbone, store: AdapterStore) -> None:
    """Rows of a mixed batch are what each LoRA gives for that batch alone, wherever they stand."""
    adapters = trained("lora", backbone, store, TASKS[:2])
    wide = METHODS.get("lora").settings(rank=4, alpha=7, targets=("dense",), learning_rate=2e-2)
    adapters.append(learn(Lesson(TASKS[2], Adaptation(backbone, "lora", wide, "fp32"), BUDGET, 0), store, Silent(), ""))
    bank = LIBRARIES.get("peft").bank(backbone.load().eval(), "fp32")
    loras = [bank.read(adapter.folder) for adapter in adapters]
    batch = {"input_ids": torch.randint(5, 25, (24, 7)), "attention_mask": torch.ones(24, 7, dtype=torch.long)}
    owners = [0, 2, 1, 0, 2, 1] + [0] * 9 + [1] * 9  # some rows alone, and runs that are long enough to stand alone

    def states(order: list[int]) -> torch.Tensor:
        rows = {name: tensor[order] for name, tensor in batch.items()}
        with torch.inference_mode():
            return bank.body(**rows).last_hidden_state

    alone = [states(bank.use([lora] * 24)) for lora in loras]
    bank.use([loras[owner] for owner in owners[::-1]])
    order = bank.use([loras[owner] for owner in owners])
    mixed = states(order)
    assert sorted(order) == [*range(24)]
    for place, row in enumerate(order):
        torch.testing.assert_close(mixed[place], alone[owners[row]][row], rtol=1e-5, atol=1e-6)
    assert not torch.allclose(alone[0], alone[-1], atol=1e-3), "else nothing is shown"
    bank.use(loras[:1])
    assert torch.equal(states([*range(24)]), alone[0])


@pytest.mark.parametrize("settings", [{"targets": ("word_embeddings",)}, {"dora": True}])
def test_what_is_more_than_two_factors_beside_a_linear_layer_is_not_in_a_bank(
    settings: dict[str, Any], backbone: Backbone, tmp_path: Path
) -> None:
    method = "dora" if settings.pop("dora", False) else "lora"
    card = METHODS.get(method)
    library = LIBRARIES.get("peft")
    library.save(library.attach(backbone.load(), card.configure(card.settings(**settings), backbone.config)), tmp_path)
    assert library.bank(backbone.load(), "fp32").read(tmp_path) is None


@pytest.mark.parametrize("method", ["lora", "pfeiffer"])
def test_switching_gives_the_logits_of_the_adapter_alone_bit_for_bit(
    method: str, backbone: Backbone, store: AdapterStore
) -> None:
    adapters = trained(method, backbone, store)
    serving = Serving(adapters, backbone)
    rows = TASKS[0].splits["test"]
    wanted = {
        adapter.id: predict(open_adapter(adapter, backbone), rows, backbone.tokenizer, BUDGET.max_length)
        for adapter in adapters
    }
    for adapter in (*adapters, adapters[0], adapters[2]):
        logits = predict(serving.switch(adapter.id), rows, backbone.tokenizer, BUDGET.max_length)
        assert np.array_equal(logits, wanted[adapter.id])


def test_adapters_of_any_methods_answer_together(backbone: Backbone, store: AdapterStore) -> None:
    adapters = [
        *trained("lora", backbone, store, TASKS[:1]),
        *trained("pfeiffer", backbone, store, TASKS[1:2]),
        *trained("head", backbone, store, TASKS[2:]),
    ]
    assert not isinstance(LIBRARIES.get("plain"), Hosts), "head has to be opened by itself"
    rows, owners = mixed_rows(adapters)
    together, wanted = answers(adapters, backbone, rows, owners), alone(adapters, backbone, rows, owners)
    assert [label for label, *_ in together] == [label for label, _ in wanted]
    np.testing.assert_allclose([sure for _, sure, *_ in together], [sure for _, sure in wanted], atol=1e-5)


def copying_others(copying: Task, limits: tuple[int, ...]) -> tuple[Task, ...]:
    """Return tasks like one whose answers stand in the text: each has other answers, and its own length of them."""

    def task(number: int, limit: int) -> Task:
        def changed(row: dict[str, Any]) -> dict[str, Any]:
            return {"answer": SUBJECTS[(SUBJECTS.index(row["answer"]) + number) % 3], "max_new_tokens": limit}

        splits = {split: rows.map(changed) for split, rows in copying.splits.items()}
        return Task(f"copying-{number}", "causal-lm", (), splits, f"fingerprint {number}", "made in tests")

    return tuple(task(*numbered) for numbered in enumerate(limits))


@pytest.mark.parametrize("method", ["lora", "pfeiffer"])
def test_answers_in_words_share_passes_and_are_those_of_each_adapter(
    method: str, llama: Path, copying: Task, store: AdapterStore
) -> None:
    """Prompts of several lengths, answers of several lengths; the batch is as long as the longest answer."""
    from adapter_workbench.workbench.backbone.names import open_backbone

    opened, tasks = open_backbone(str(llama)), copying_others(copying, (4, 2, 5))
    adapters = trained(method, opened, store, tasks)
    serving, passes = Serving(adapters, opened), []
    serving.body.register_forward_hook(lambda _, __, output: passes.append(len(output.last_hidden_state)))
    texts = [" ".join([text] * (1 + number % 2)) for number, text in enumerate(copying.splits["test"]["text"][:9])]
    columns = {"id": [*"abcdefghi"], "text": texts, "max_new_tokens": [(4, 2, 5)[row % 3] for row in range(9)]}
    rows, owners = Dataset.from_dict(columns), [adapters[row % 3].id for row in range(9)]
    together, wanted = serving.answers(rows, owners), alone(adapters, opened, rows, owners)
    assert serving.mixes
    assert len(passes) <= 5, "one pass for each token of the longest answer, not for each adapter"
    assert method != "lora" or passes[0] == 9 > passes[-1], "answers that have ended leave the batch"
    assert [text for text, *_ in together] == [text for text, _ in wanted]
    np.testing.assert_allclose([sure for _, sure, *_ in together], [sure for _, sure in wanted], atol=1e-5)
    others = alone(adapters, opened, rows, [*owners[1:], owners[0]])
    assert all(abs(other - sure) > 1e-4 for (_, other), (_, sure) in zip(others, wanted, strict=True)), (
        "else the answer of a wrong adapter would not show"
    )


@pytest.mark.parametrize(("kind", "target"), [("deberta-v2", "pos_key_proj"), ("xlnet", "layer_1")])
def test_where_a_layer_does_not_read_row_after_row_adapters_take_turns(
    kind: str, target: str, tmp_path: Path, store: AdapterStore
) -> None:
    """DeBERTa's layers read relative positions too, and XLNet's tokens first: nothing there says whose row it is."""
    from adapter_workbench.workbench.backbone.names import open_backbone

    opened, adapters = open_backbone(str(write_base(tmp_path / kind, kind))), []
    for task in TASKS[:2]:
        settings = METHODS.get("lora").settings(rank=2, targets=(target,), learning_rate=2e-2)
        lesson = Lesson(task, Adaptation(opened, "lora", settings, "fp32"), BUDGET, 0)
        adapters.append(learn(lesson, store, Silent(), f"{task.name}-{kind}"))
    serving, texts = Serving(adapters, opened), TASKS[0].splits["test"]["text"]
    tokens = len(opened.tokenizer(texts[0])["input_ids"])
    for count in (tokens, tokens + 1):  # with as many rows as tokens, a shape tells nothing
        rows = Dataset.from_dict({"id": [str(row) for row in range(count)], "text": [texts[0]] * count})
        owners = [adapters[row % 2].id for row in range(count)]
        together, wanted = serving.answers(rows, owners), alone(adapters, opened, rows, owners)
        assert [label for label, *_ in together] == [label for label, _ in wanted]
        np.testing.assert_allclose([sure for _, sure, *_ in together], [sure for _, sure in wanted], atol=1e-5)
    assert not serving.mixes


def test_what_cannot_share_a_backbone_is_said(backbone: Backbone, store: AdapterStore, llama: Path) -> None:
    from adapter_workbench.workbench.backbone.names import open_backbone

    (lora,), (pfeiffer,) = (trained(method, backbone, store, TASKS[:1]) for method in ("lora", "pfeiffer"))
    with pytest.raises(InputError, match=naming("adapters pfeiffer fp32 auto; peft lora fp32 auto")):
        Serving([lora, pfeiffer], backbone)
    with pytest.raises(InputError, match="not none"):
        Serving([], backbone)
    with pytest.raises(InputError, match=naming("plain ", "one adapter at a time", "head cannot be switched")):
        Serving(trained("head", backbone, store, TASKS[:1]), backbone)
    with pytest.raises(InputError, match="was trained on"):
        Serving([lora], open_backbone(str(llama)))


def test_an_encoder_decoder_writes_for_several_loras_at_once(t5: Path, store: AdapterStore) -> None:
    from adapter_workbench.workbench.backbone.names import open_backbone

    opened = open_backbone(str(t5))
    rows = toy("seq2seq").splits["test"]
    tasks = tuple(
        Task(f"t5-{number}", "seq2seq", (), toy("seq2seq").splits, f"fingerprint {number}", "made in tests")
        for number in range(2)
    )
    adapters = trained("lora", opened, store, tasks)
    serving, owners = Serving(adapters, opened), [adapters[row % 2].id for row in range(len(rows))]
    passes: list[int] = []
    serving.body.register_forward_hook(lambda *_: passes.append(1))
    together, wanted = serving.answers(rows, owners), alone(adapters, opened, rows, owners)
    assert serving.mixes
    assert len(passes) <= 3, "one for each token"
    assert [text for text, *_ in together] == [text for text, _ in wanted]
    np.testing.assert_allclose([sure for _, sure, *_ in together], [sure for _, sure in wanted], atol=1e-5)
