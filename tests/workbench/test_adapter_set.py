"""Adapters of any methods that stay open: each answers as it does alone, and what has not changed stays open."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from random import Random
from threading import Event
from typing import Any

import pytest

from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.answering.adapter_set import AdapterSet, Question
from adapter_workbench.workbench.answering.predictor import Answer, OpenedAdapter, rows_of
from adapter_workbench.workbench.answering.serving import open_group
from adapter_workbench.workbench.answering.shared_body import BankedAdapters
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.libraries._lora_bank import LoraBank
from adapter_workbench.workbench.methods.libraries._lora_layout import Layouts
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson, learn
from tests.conftest import FRUITS, SUBJECTS, make_task

BUDGET = Budget(epochs=1, batch_size=8, max_length=16, precision="fp32")
TASKS = (make_task("animals", SUBJECTS, FRUITS, 16), make_task("halves", SUBJECTS[:4], SUBJECTS[4:], 16))
TEXTS = ["the cat often", "a plum", "this very sheep quite really some"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> AdapterStore:
    return AdapterStore(tmp_path_factory.mktemp("set"))


def trained(store: AdapterStore, backbone: Backbone, method: str, task: int, **settings: Any) -> StoredAdapter:
    adaptation = Adaptation(backbone, method, METHODS.get(method).settings(learning_rate=2e-2, **settings), "fp32")
    return learn(Lesson(TASKS[task], adaptation, BUDGET, 0), store, Silent(), "")


def asked_alone(adapters: list[StoredAdapter], opened: AdapterSet) -> list[list[Answer]]:
    """Ask each adapter of a set by itself."""
    rows = rows_of(TEXTS)
    return [opened.answers([Question(rows, [adapter.id] * len(TEXTS))])[0] for adapter in adapters]


def test_each_adapter_answers_as_alone_bit_for_bit(store: AdapterStore, backbone: Backbone) -> None:
    adapters = [trained(store, backbone, "lora", task) for task in (0, 1)]
    adapters += [trained(store, backbone, "bitfit", 0), trained(store, backbone, "pfeiffer", 1)]
    opened = AdapterSet.open(adapters, backbone)
    assert [[*group.adapters] for group in opened.groups] == [
        [adapters[0].id, adapters[1].id],
        [adapters[2].id],
        [adapters[3].id],
    ]
    wanted = [OpenedAdapter.open(adapter, backbone).answers(TEXTS) for adapter in adapters]
    assert asked_alone(adapters, opened) == wanted
    assert len({answers[0].confidence for answers in wanted}) == 4, "else nothing is shown"
    together = opened.answers([Question(rows_of(TEXTS), [adapter.id] * 3) for adapter in adapters])
    for those, these in zip(together, wanted, strict=True):
        assert [answer.words for answer in those] == [answer.words for answer in these]
        assert [answer.confidence for answer in those] == pytest.approx(
            [answer.confidence for answer in these], abs=1e-5
        )


def test_one_adapter_is_switched_on_and_not_mixed(
    store: AdapterStore, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sums of a mixed pass are the same numbers in another order, which need not be the same to the last bit."""
    adapters = [trained(store, backbone, "lora", task) for task in (0, 1)]
    opened = AdapterSet.open(adapters, backbone)
    mixed, mix = [], BankedAdapters.mix
    monkeypatch.setattr(BankedAdapters, "mix", lambda *given: mixed.append(given) or mix(*given))
    opened.answers([Question(rows_of(TEXTS), [adapters[1].id] * 3)] * 2)
    assert not mixed
    opened.answers([Question(rows_of(TEXTS), [adapter.id] * 3) for adapter in adapters])
    assert len(mixed) == 1


def test_rows_of_one_question_may_be_of_several_adapters(store: AdapterStore, backbone: Backbone) -> None:
    adapters = [trained(store, backbone, "lora", 0), trained(store, backbone, "bitfit", 0)]
    opened = AdapterSet.open(adapters, backbone)
    wanted = [OpenedAdapter.open(adapter, backbone).answers(TEXTS) for adapter in adapters]
    owners = [adapters[row % 2].id for row in range(3)]
    (answers,) = opened.answers([Question(rows_of(TEXTS), owners)])
    expected = [wanted[row % 2][row].confidence for row in range(3)]
    assert [answer.confidence for answer in answers] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("ranks", [(4, 8), (8, 4)])
def test_adapters_that_cannot_share_a_body_have_their_own(
    ranks: tuple[int, int], store: AdapterStore, backbone: Backbone
) -> None:
    """VeRA has one pair of random matrices for all adapters of a body, and these two need pairs of different sizes."""
    adapters = [trained(store, backbone, "vera", task, rank=rank) for task, rank in enumerate(ranks)]
    opened = AdapterSet.open(adapters, backbone)
    assert len(opened.groups) == 2
    assert asked_alone(adapters, opened) == [
        OpenedAdapter.open(adapter, backbone).answers(TEXTS) for adapter in adapters
    ]


def test_a_lora_that_cannot_be_in_a_bank_leaves_the_others_there(store: AdapterStore, backbone: Backbone) -> None:
    plain = [trained(store, backbone, "lora", task) for task in (0, 1)]
    other = trained(store, backbone, "lora", 0, targets=("word_embeddings",))
    opened = AdapterSet.open([plain[0], other, plain[1]], backbone, bank_bytes=4000)
    assert [[*group.adapters] for group in opened.groups] == [[plain[0].id, plain[1].id], [other.id]]
    assert isinstance(opened.groups[0]._shared, BankedAdapters)
    adapters = [*plain, other]
    assert asked_alone(adapters, opened) == [OpenedAdapter.open(own, backbone).answers(TEXTS) for own in adapters]


def test_what_has_not_changed_stays_open(store: AdapterStore, backbone: Backbone) -> None:
    lora, other = (trained(store, backbone, "lora", task) for task in (0, 1))
    bitfit = trained(store, backbone, "bitfit", 0)
    before = AdapterSet.open([lora, bitfit], backbone)
    after = AdapterSet.open([bitfit, lora, other], backbone, before)
    assert [group in before.groups for group in after.groups] == [True, False]
    assert asked_alone([lora], before) == asked_alone([lora], after)


def test_what_cannot_share_a_body_stays_open_too(store: AdapterStore, backbone: Backbone) -> None:
    first, second, other = (
        trained(store, backbone, "vera", task, rank=rank) for task, rank in ((0, 4), (1, 8), (0, 2))
    )
    before = AdapterSet.open([first, second], backbone)
    again = AdapterSet.open([first, second], backbone, before)
    assert [group in before.groups for group in again.groups] == [True, True]
    changed = AdapterSet.open([first, other], backbone, before)
    assert [group in before.groups for group in changed.groups] == [True, False]


def test_a_damaged_adapter_is_said(store: AdapterStore, backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    lora, other = (trained(store, backbone, "lora", task) for task in (0, 1))
    opened: list[list[str]] = []

    def counted(group: Sequence[StoredAdapter], *others: Any) -> Any:
        opened.append([adapter.id for adapter in group])
        return open_group(group, *others)

    monkeypatch.setattr("adapter_workbench.workbench.answering.adapter_set.open_group", counted)
    weights = other.folder / "adapter_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:100])
    try:
        with pytest.raises(InputError, match=f"{other.id}/adapter_model.safetensors: .*cannot be opened"):
            AdapterSet.open([lora, other], backbone)
    finally:
        weights.write_bytes(whole)
    assert opened == [[lora.id, other.id], [other.id]], "none but the damaged one is opened by itself"


def test_a_change_opens_what_has_changed_and_nothing_else(
    store: AdapterStore, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (trained(store, backbone, "lora", task) for task in (0, 1))
    other, wide = (trained(store, backbone, "lora", 0, rank=rank) for rank in (2, 4))
    before = AdapterSet.open([first, second, other], backbone)
    wanted = asked_alone([first, second, other], before)
    opened, looked, loads, read, of = [], [], [], LoraBank.read, Layouts.of
    monkeypatch.setattr(Layouts, "of", lambda layouts, folder: looked.append(folder) or of(layouts, folder))
    monkeypatch.setattr(LoraBank, "read", lambda bank, folder: opened.append(folder) or read(bank, folder))
    monkeypatch.setattr(Backbone, "load", lambda *_, **__: loads.append(1))
    after = AdapterSet.open([second, wide, first], backbone, before)
    assert opened == [wide.folder]
    assert {*looked} == {wide.folder}
    assert not loads, "the body is that of before"
    assert asked_alone([second, first], after) == [wanted[1], wanted[0]]
    monkeypatch.undo()
    assert asked_alone([wide], after) == [OpenedAdapter.open(wide, backbone).answers(TEXTS)]
    assert asked_alone([first, second, other], before) == wanted, "what was taken before still has its answers"


def test_a_damaged_newcomer_changes_nothing(store: AdapterStore, backbone: Backbone) -> None:
    first, second, other = (trained(store, backbone, "lora", 0, rank=rank) for rank in (2, 4, 6))
    before = AdapterSet.open([first, second], backbone)
    wanted = asked_alone([first, second], before)
    weights = other.folder / "adapter_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:100])
    try:
        with pytest.raises(InputError, match=f"{other.id}/adapter_model.safetensors: .*cannot be opened"):
            AdapterSet.open([first, second, other], backbone, before)
    finally:
        weights.write_bytes(whole)
    assert asked_alone([first, second], before) == wanted


def test_a_method_that_cannot_be_in_a_bank_is_opened_anew(store: AdapterStore, backbone: Backbone) -> None:
    adapters = [trained(store, backbone, "vera", task) for task in (0, 1)]
    before = AdapterSet.open(adapters[:1], backbone)
    after = AdapterSet.open(adapters, backbone, before)
    wanted = [OpenedAdapter.open(adapter, backbone).answers(TEXTS) for adapter in adapters]
    assert asked_alone(adapters, after) == wanted


@pytest.mark.parametrize("bank_bytes", [None, 4000])
def test_no_row_is_answered_by_another_adapter_while_adapters_come_and_go(
    bank_bytes: int | None, store: AdapterStore, backbone: Backbone
) -> None:
    """Two thousand rows in mixed batches, each compared with its adapter alone; another thread changes the set."""
    adapters = [trained(store, backbone, "lora", task, rank=rank) for task in (0, 1) for rank in (2, 3, 4)]
    alone = {adapter.id: OpenedAdapter.open(adapter, backbone).answers(TEXTS) for adapter in adapters}
    sure = {(name, text): answer.confidence for name, own in alone.items() for text, answer in enumerate(own)}
    assert len({*sure.values()}) == len(sure), "else nothing is shown"
    draw, done = Random(0), Event()
    opened = [AdapterSet.open(adapters[:3], backbone, bank_bytes=bank_bytes)]

    def change() -> None:
        for number in count():
            if done.is_set():
                return
            start = number % len(adapters)
            present = [*adapters, *adapters][start : start + 3]
            asked_alone(present[:1], latest := AdapterSet.open(present, backbone, opened[-1]))
            opened.append(latest)

    with ThreadPoolExecutor(1) as pool:
        changing = pool.submit(change)
        try:
            for _ in range(40):
                now = opened[-1]
                rows = [(draw.choice([*now.adapters]), draw.randrange(3)) for _ in range(50)]
                question = Question(rows_of([TEXTS[text] for _, text in rows]), [name for name, _ in rows])
                (answers,) = now.answers([question])
                expected = [sure[row] for row in rows]
                assert [answer.confidence for answer in answers] == pytest.approx(expected, abs=1e-5)
        finally:
            done.set()
        changing.result()
    assert len(opened) > 2
