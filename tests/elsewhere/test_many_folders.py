"""Several adapters of other programs come in at once, and what cannot is told of one without keeping back the rest."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, TaskType
from safetensors.torch import save_file

from adapter_workbench.workbench.adapters.manifest import Manifest, read_manifest
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.answering.elsewhere import taking_in
from adapter_workbench.workbench.answering.elsewhere.identity import key_of
from adapter_workbench.workbench.files import checksummed
from tests.conftest import Call
from tests.elsewhere.hub import COMMIT, hub
from tests.elsewhere.senders import sent_by_peft
from tests.elsewhere.shop import Shop

LABELS = ("--labels", "joy,anger,fear")


@pytest.fixture(scope="module")
def sent(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three: two LoRAs, and one whose weights are cut short."""
    folder = tmp_path_factory.mktemp("sent") / "runs"
    for name, rank in (("emotion", 2), ("moods", 4)):
        sent_by_peft(bert, folder / name, LoraConfig(task_type=TaskType.SEQ_CLS, r=rank), num_labels=3)
    shutil.copytree(folder / "moods", folder / "short")
    weights = folder / "short" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7])
    return folder


def test_one_table_tells_what_came_in_and_what_did_not(call: Call, bert: Path, sent: Path) -> None:
    folders = [str(path) for path in sorted(sent.iterdir())]
    code, out, err = call("adapters", "import", *folders, "--backbone", str(bert), *LABELS)
    assert code == 2
    assert out.count("classification  lora") == 2
    assert "weights cannot be opened" in " ".join(out.split())
    assert "2 came in, 1 refused." in out
    assert "workbench tasks new emotion --from FILE" in out
    assert err.count(" of 3  ") == 3
    assert len(AdapterStore(Path(".workbench/adapters")).ids()) == 2


def test_manifests_of_adapters_here_are_read_once(shop: Shop, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what takes one in, and by what says afterwards which adapters are here; files count as old enough at once."""
    monkeypatch.setattr(checksummed, "SETTLED", -60.0)
    reads: Counter[str] = Counter()

    def counted(folder: Path) -> Manifest:
        reads[folder.name] += 1
        return read_manifest(folder)

    monkeypatch.setattr("adapter_workbench.workbench.adapters.store.read_manifest", counted)
    said = ("--task", "animals", "--labels", "second,first", "--tasks", "tasks")  # no --backbone: adapters here tell
    code, _, err = call("adapters", "import", "few", *said)
    assert code == 0, err
    assert (reads[shop.own], reads[shop.wide]) == (1, 1)


def test_the_same_command_goes_on(call: Call, bert: Path, sent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("adapters", "import", str(sent / "emotion"), str(sent / "moods"), "--backbone", str(bert), *LABELS)
    with monkeypatch.context() as patch:
        patch.setattr("adapter_workbench.experiments.terminal.progress.Messages.say", _killed)
        code, _, err = call(*command)
    assert code == 130
    assert "the same command" in err
    store = AdapterStore(Path(".workbench/adapters"))
    (first,) = store.ids()
    made = (store.root / first / "manifest.json").stat().st_mtime_ns
    code, out, _ = call(*command)
    assert code == 0
    assert "1 came in, 1 came in before." in out
    assert len(store.ids()) == 2
    assert (store.root / first / "manifest.json").stat().st_mtime_ns == made, "it was made again"
    weights = store.root / first / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    code, out, _ = call(*command)
    assert code == 0
    assert "1 came in, 1 came in before." in out, "what is damaged is made again"
    assert store.damage(first) is None


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_what_a_trainer_leaves_beside_an_adapter_makes_no_other(
    call: Call, bert: Path, sent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(sent / "emotion", Path("run"))
    (folder / "trainer_state.json").write_text("{}", encoding="utf-8")
    command = ("adapters", "import", "run", "--backbone", str(bert), *LABELS, "--json")
    with monkeypatch.context() as patch:  # the key until 0.2
        patch.setattr(taking_in, "import_key", lambda sent, *facts: key_of(sent.folder, *facts))
        earlier = json.loads(call(*command)[1])["adapter"]
    (again,) = json.loads(call(*command)[1])["adapters"]
    assert (again["adapter"], again["was_here"]) == (earlier, True)
    assert call("adapters", "remove", earlier)[0] == 0
    new = json.loads(call(*command)[1])["adapter"]
    assert new != earlier
    (folder / "all_results.json").write_text("{}", encoding="utf-8")
    save_file({"momentum": torch.zeros(3)}, folder / "optimizer.safetensors")
    (again,) = json.loads(call(*command)[1])["adapters"]
    assert (again["adapter"], again["was_here"]) == (new, True)
    (folder / "config.json").write_text('{"id2label": {"0": "a", "1": "b", "2": "c"}}', encoding="utf-8")
    (other,) = json.loads(call(*command)[1])["adapters"]
    assert not other["was_here"], "a config is read"


def test_json_is_one_document_for_one_and_for_many(call: Call, bert: Path, sent: Path) -> None:
    options = ("--backbone", str(bert), *LABELS, "--json")
    _, out, _ = call("adapters", "import", str(sent / "emotion"), *options)
    alone = json.loads(out)
    assert alone["adapter"] == alone["adapters"][0]["adapter"]
    assert Path(alone["path"], "manifest.json").is_file()
    assert alone["labels"] == ["joy", "anger", "fear"]
    assert alone["refused"] == []
    code, out, err = call("adapters", "import", str(sent / "short"), *options)
    assert code == 2
    assert json.loads(out)["refused"][0]["from"] == str(sent / "short")
    assert err.startswith("Error: ")
    code, out, _ = call("adapters", "import", str(sent / "emotion"), str(sent / "short"), *options)
    assert code == 2
    many = json.loads(out)
    assert many["adapters"] == [{**alone["adapters"][0], "was_here": True}]
    assert "adapter" not in many


def test_a_list_in_a_file_says_what_holds_for_each(call: Call, bert: Path, sent: Path) -> None:
    Path("plain.txt").write_text(f"# two of them\n{sent / 'emotion'}\n\n{sent / 'moods'}\n", encoding="utf-8")
    code, out, err = call("adapters", "import", "--from-file", "plain.txt", "--backbone", str(bert), *LABELS, "--json")
    assert code == 0, err
    assert [entry["task"] for entry in json.loads(out)["adapters"]] == ["emotion", "moods"]
    listed = f"""
- folder: {sent / "emotion"}
  backbone: {bert}
  name: ann
  labels: [a, "b, c", d]
- folder: {sent / "moods"}
  backbone: {bert}
  max_length: 16
  name: others
"""
    Path("list.yaml").write_text(listed, encoding="utf-8")
    code, out, err = call("adapters", "import", "--from-file", "list.yaml", "--labels", "x,y,z", "--json")
    assert code == 0, err
    entries = json.loads(out)["adapters"]
    assert [entry["labels"] for entry in entries] == [["a", "b, c", "d"], ["x", "y", "z"]]
    assert entries[0]["adapter"].startswith("ann-")
    Path("list.yaml").write_text("- folder: a\n  tsak: b\n- folder: c\n  name: /x\n", encoding="utf-8")
    code, _, err = call("adapters", "import", "--from-file", "list.yaml")
    assert code == 2
    assert "list.yaml, line 2: unknown key" in err


@pytest.mark.parametrize("text", ["{folder}\n", "- folder: {folder}\n"])
def test_a_list_may_begin_with_a_byte_order_mark(text: str, call: Call, bert: Path, sent: Path) -> None:
    """As editors of Windows write it."""
    Path("list.txt").write_text(text.format(folder=sent / "emotion"), encoding="utf-8-sig")
    code, out, err = call("adapters", "import", "--from-file", "list.txt", "--backbone", str(bert), *LABELS, "--json")
    assert code == 0, err
    assert json.loads(out)["adapters"][0]["task"] == "emotion"


def test_of_a_repository_on_the_hub_only_what_is_read_is_fetched(
    call: Call, bert: Path, sent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    online = hub(tmp_path / "online", monkeypatch)
    own = shutil.copytree(sent / "emotion", online.root / "ann" / "emotion-lora")
    shutil.copyfile(bert / "tokenizer.json", own / "tokenizer.json")
    other = shutil.copytree(own, online.root / "ann" / "other-words")
    words = json.loads((bert / "tokenizer.json").read_text(encoding="utf-8"))
    words["model"]["vocab"] = {f"{word}s": number for word, number in words["model"]["vocab"].items()}
    (other / "tokenizer.json").write_text(json.dumps(words), encoding="utf-8")
    for name in ("optimizer.pt", "training_args.bin", "modeling_own.py", "checkpoint-9/config.json"):
        (own / name).parent.mkdir(exist_ok=True)
        (own / name).write_text("{}", encoding="utf-8")
    command = ("adapters", "import", "ann/emotion-lora@main", "ann/nothing", "--backbone", str(bert), *LABELS, "--json")
    code, out, _ = call(*command)
    assert code == 1, "what is not on the hub is no mistake of the input: the work failed"
    document = json.loads(out)
    assert document["adapters"][0]["task"] == "emotion-lora"
    assert "cannot fetch 'ann/nothing' from the hub: 404" in document["refused"][0]["what"]
    assert sorted(online.fetched) == ["adapter_config.json", "adapter_model.safetensors", "tokenizer.json"]
    code, _, err = call("adapters", "import", "ann/other-words", "--backbone", str(bert), *LABELS)
    assert (code, "its tokenizer is another one" in err) == (2, True)


def test_what_was_exported_comes_back_from_the_hub(
    call: Call, bert: Path, sent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    online = hub(tmp_path / "online", monkeypatch)
    base = ("--backbone", str(bert))
    _, out, _ = call("adapters", "import", str(sent / "emotion"), *base, *LABELS, "--json")
    name = json.loads(out)["adapter"]
    assert call("adapters", "export", name, str(online.root / "ann" / "exported"))[0] == 0
    code, out, err = call("adapters", "import", "ann/exported", *base, "--workspace", "other", "--json")
    assert code == 0, err
    assert json.loads(out)["adapter"] == name
    code, _, err = call("adapters", "import", "ann/exported", *base, "--workspace", "third", "--task", "bbc-news")
    assert code == 2
    assert "its manifest says: emotion" in err
    passwords = online.root / "ann" / "exported" / "head.safetensors"
    (online.cache / "models--ann--exported/snapshots" / COMMIT / passwords.name).unlink()
    (online.cache / "models--ann--exported/snapshots" / COMMIT / passwords.name).symlink_to("/etc/passwd")
    code, _, err = call("adapters", "import", "ann/exported", *base, "--workspace", "third")
    assert code == 2
    assert "links in this folder" in err
