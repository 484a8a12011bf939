"""What other programs trained is first-class: what is not known is said to be so, and it is measured and gated here."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.answers import adapter_test
from tests.conftest import Call
from tests.elsewhere.shop import Shop, done, one_line
from tests.messages import lacks

SEEN = "may have been among what it was trained on"


def listed(call: Call, adapter: str) -> dict[str, Any]:
    (entry,) = [entry for entry in json.loads(done(call, "adapters", "list", "--json")) if entry["id"] == adapter]
    return dict(entry)


def test_what_is_not_known_is_said_to_be_so(shop: Shop, call: Call) -> None:
    entry = listed(call, shop.few)
    unknown = ("seed", "created", "validation", "sender_validation", "parameters")
    assert {name: entry[name] for name in unknown} == dict.fromkeys(unknown)
    assert (entry["trained_by"], "trained elsewhere (peft)" in entry["description"]) == ("peft", True)
    assert listed(call, shop.own)["trained_by"] is None
    text = done(call, "adapters", "list")
    assert ("not measured" in text, "“elsewhere”: trained by another program" in one_line(text)) == (True, True)
    document = json.loads(done(call, "adapters", "show", shop.few, "--json"))
    assert (document["fit"], document["seed"], document["created"], document["task"]["fingerprint"]) == (None,) * 4
    assert document["budget"] == {"max_length": 64}, "what the model reads; the rest was never said"
    text = one_line(done(call, "adapters", "show", shop.few))
    assert lacks(text, "trained elsewhere, by peft", "not known") == []
    assert ("label order second, first" in text, "best epoch" in text, "nan" in text) == (True, False, False)
    assert "2 steps" not in text
    manifest = (shop.folder / ".workbench" / "adapters" / shop.few / "manifest.json").read_text(encoding="utf-8")
    assert '"epochs"' not in manifest, "no placeholder is written"


def test_it_counts_once_it_was_measured_here(shop: Shop, call: Call) -> None:
    code, _, err = call("gate", shop.few, "--min-score", "0")
    assert (code, "adapters test" in err) == (3, True), err
    document = json.loads(done(call, "adapters", "test", shop.few, "--json"))
    assert (document["counts"], document["may_have_seen"], document["sender_validation"]) == (True, True, None)
    assert listed(call, shop.few)["validation"] == round(document["metrics"]["validation_accuracy"], 4)
    shown = json.loads(done(call, "adapters", "show", shop.few, "--json"))
    assert shown["test"]["accuracy"] == document["metrics"]["test_accuracy"], "it is remembered"
    text = one_line(done(call, "adapters", "test", shop.few))
    assert (SEEN in text, "nan" in text) == (True, False)
    text = one_line(done(call, "evaluate", shop.few, "--file", "tasks/animals-test.csv"))
    assert SEEN in text
    assert SEEN not in one_line(done(call, "evaluate", shop.own, "--file", "tasks/fruits-test.csv"))


def test_one_that_was_trained_here_is_tested_without_reading_the_others(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(store: object) -> None:
        raise AssertionError("all manifests are read")

    monkeypatch.setattr(adapter_test, "readable", refuse)
    tested = shop.bench.exchange.test(shop.own)
    assert (tested.task, tested.counts) == ("fruits", False)


def test_labels_may_stand_in_another_order_in_the_task_that_is_asked(shop: Shop, call: Call) -> None:
    folder = shop.folder / "tasks"
    swapped = (folder / "animals.yaml").read_text(encoding="utf-8") + "labels: [second, first]\n"
    (folder / "swapped.yaml").write_text(swapped, encoding="utf-8")
    for adapter in (shop.few, shop.own):
        straight, turned = (shop.bench.exchange.test(adapter, name) for name in ("animals", "swapped"))
        assert (straight.validation, straight.test) == (turned.validation, turned.test)
    text = one_line(done(call, "adapters", "test", shop.few, "--task", "swapped"))
    assert ("--task swapped" in text, "counts from now on" in text) == (True, False)
    other = swapped.replace("[second, first]", "{second: last, first: first}")
    (folder / "others.yaml").write_text(other, encoding="utf-8")
    code, out, err = call("adapters", "test", shop.few, "--task", "others")
    assert (code, out) == (2, "")
    assert lacks(one_line(err), "unknown to the task: second", "missing in the adapter: last") == []


def test_it_is_gated_registered_and_rolled_back(counted: Shop, call: Call) -> None:
    text = one_line(done(call, "gate", counted.few, "--min-score", "0", "--not-below-champion"))
    assert "validation accuracy" in text
    bounds = ("--min-macro-f1", "0", "--min-worst-label", "0", "--max-ece", "100")
    assert "validation macro F1" in one_line(done(call, "gate", counted.few, *bounds))
    document = json.loads(done(call, "adapters", "register", counted.few, "--json"))
    assert (document["name"], document["champion"]) == ("animals.lora", True)
    assert counted.few in done(call, "predict", "animals", "the cat", "--json")
    base = counted.bench.workspace.adapters.get(counted.few).manifest.backbone.name
    again = counted.bench.exchange.import_adapter(
        counted.folder / "few", base, task="animals", labels=("first", "second"), name="turned"
    )
    code, out, _ = call("gate", again.id, "--against", counted.few, "--min-agreement", "100", "--json")
    assert (code, json.loads(out)["bounds"][0]["found"]) == (3, 0.0), "each label has the other's row"
    counted.bench.exchange.test(again.id)
    document = json.loads(done(call, "adapters", "register", again.id, "--json"))
    champion, other = (again.id, counted.few) if document["champion"] else (counted.few, again.id)
    done(call, "adapters", "promote", "animals", "--to", other, "--accept-loss")
    assert other in done(call, "predict", "animals", "the cat", "--json")
    done(call, "adapters", "rollback", "animals")
    assert champion in done(call, "predict", "animals", "the cat", "--json")
    assert "Removed" in done(call, "adapters", "remove", again.id)


def test_what_comes_next_is_said(shop: Shop, bert: Path, call: Call) -> None:
    given = ("--backbone", str(bert), "--task", "animals", "--labels", "first,second", "--name", "more")
    out = done(call, "adapters", "import", "few", *given, "--tasks", "tasks")
    commands = [line.removeprefix("Next:").strip() for line in out.partition("Next:")[2].splitlines()]
    adapter = out.split()[1]
    assert commands == [
        f"workbench adapters test {adapter} --tasks tasks",
        f'workbench predict {adapter} "some text"',
        f"workbench evaluate {adapter} --file FILE --tasks tasks",
        f"workbench fuse TASK --from {adapter},{shop.few},{shop.own} --method ties --tasks tasks",
    ]
    for command in commands[:2]:
        done(call, *shlex.split(command)[1:])
