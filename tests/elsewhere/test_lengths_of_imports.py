"""How many tokens of a text an adapter from elsewhere reads: as many as it can, as a person says, or a refusal."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from peft import LoraConfig, PromptTuningConfig, TaskType

from adapter_workbench.experiments.answers.import_options import Source
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.requests.importing import ImportOptions
from adapter_workbench.workbench.errors import InputError, SettingsError
from tests.conftest import Call
from tests.elsewhere.senders import imported, sent_by_peft
from tests.messages import lacks


@pytest.fixture(scope="module")
def prompt(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prompt of 20 tokens before a BERT that has 64 positions."""
    folder = tmp_path_factory.mktemp("sent") / "prompt"
    config = PromptTuningConfig(task_type=TaskType.SEQ_CLS, num_virtual_tokens=20)
    sent_by_peft(bert, folder, config, num_labels=3)
    return folder


def test_the_tokens_of_a_prompt_take_positions(bert: Path, prompt: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"max_length 45 is more than .* after 20 virtual tokens"):
        imported(bert, prompt, tmp_path / "ws", max_length=45)
    assert imported(bert, prompt, tmp_path / "ws", max_length=44).manifest.budget.max_length == 44
    assert imported(bert, prompt, tmp_path / "ws").manifest.budget.max_length == 44


def test_a_base_with_more_positions_than_a_text_may_have(llama: Path, tmp_path: Path) -> None:
    base = shutil.copytree(llama, tmp_path / "base")
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    (base / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 1 << 20}), encoding="utf-8")
    sent_by_peft(base, tmp_path / "sent", LoraConfig(task_type=TaskType.CAUSAL_LM, r=2), "AutoModelForCausalLM")
    stored = imported(base, tmp_path / "sent", tmp_path / "ws", labels=())
    assert stored.manifest.budget.max_length == 1_000_000


@pytest.mark.parametrize("tokens", [-3, 0, 2, 2_000_000])
def test_a_length_that_no_text_has_is_refused_before_anything_is_opened(tokens: int, call: Call) -> None:
    Path("list.yaml").write_text(f"- folder: nowhere\n  max_length: {tokens}\n", encoding="utf-8")
    code, _, err = call("adapters", "import", "--from-file", "list.yaml")
    assert code == 2
    assert lacks(err, "list.yaml, line 2", "max_length': Input should be ") == []
    code, _, err = call("adapters", "import", "nowhere", "--max-length", str(tokens))
    assert (code, "--max-length" in err) == (2, True), err
    source = Source("nowhere", ImportOptions(max_length=tokens))
    with pytest.raises(SettingsError, match="--max-length: a text may have 4 to 1,000,000 tokens"):
        Workbench(Path("ws"), []).exchange.import_adapters([source])


def test_a_folder_that_cannot_be_read_leaves_the_others(
    call: Call, bert: Path, prompt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests may run as a user who can read all, so that the refusal is the test's own."""
    shutil.copytree(prompt, "closed")
    is_file = Path.is_file

    def refused(path: Path) -> bool:
        if path.parent.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", refused)
    command = ("adapters", "import", "closed", str(prompt), "--backbone", str(bert), "--labels", "x,y,z", "--json")
    code, out, _ = call(*command)
    assert code == 2
    assert len(json.loads(out)["adapters"]) == 1
    (refusal,) = json.loads(out)["refused"]
    assert "this cannot be read: [Errno 13] Permission denied" in refusal["what"]
