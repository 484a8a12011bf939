"""Rows for `workbench keep`: read as TRL reads them, or written by the model itself; and all that is refused."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset

from adapter_workbench import AGEM, EWC
from adapter_workbench.experiments.keeping.encoded_rows import EncodedRows
from adapter_workbench.experiments.keeping.given_rows import read_rows
from adapter_workbench.experiments.keeping.own_texts import write_texts
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.training.remedy_state import read_state
from tests.conftest import SUBJECTS, Call
from tests.elsewhere.trainings import QUICK
from tests.experiments.remedies.kept_rows import OTHERS, ROWS, language_model, tokenized, trained, with_lora, written
from tests.experiments.remedies.test_trl import trained as trained_by_trl
from tests.experiments.test_killed_updates import killed
from tests.messages import lacks

CHAT = "{% for turn in messages %}{{ turn.role }} {{ turn.content }} {{ eos_token }} {% endfor %}"
FORMS: dict[str, list[dict[str, Any]]] = {
    "text": [{"text": f"the {word} the {word}"} for word in SUBJECTS],
    "chat": [
        {"messages": [{"role": "user", "content": f"the {word}"}, {"role": "assistant", "content": word}]}
        for word in SUBJECTS
    ],
}


@pytest.fixture
def chatty(llama: Path, tmp_path: Path) -> Path:
    """The tiny LLaMA with a chat template."""
    folder = Path(shutil.copytree(llama, tmp_path / "chatty"))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": CHAT}))
    return folder


def encoded(rows: list[dict[str, Any]], model: Path, folder: Path, max_length: int = 512) -> list[dict[str, Any]]:
    backbone = open_backbone(str(model))
    given = read_rows(written(rows, folder / "rows.jsonl"))
    return [*EncodedRows(given, backbone.tokenizer, backbone.config.vocab_size, max_length)]


@pytest.mark.skipif(find_spec("trl") is None, reason="TRL is not installed")
@pytest.mark.parametrize("form", FORMS)
def test_rows_are_read_as_trl_reads_them(form: str, chatty: Path, tmp_path: Path) -> None:
    import trl

    trainer = trl.SFTTrainer(
        model=language_model(chatty),
        args=trl.SFTConfig(output_dir=str(tmp_path / "out"), bf16=False, max_length=6, **QUICK),
        train_dataset=Dataset.from_list(FORMS[form]),
        processing_class=open_backbone(str(chatty)).tokenizer,
    )
    theirs = [trainer.data_collator([row]) for row in trainer.train_dataset]
    ours = encoded(FORMS[form], chatty, tmp_path, max_length=6)
    assert [row["input_ids"] for row in ours] == [batch["input_ids"][0].tolist() for batch in theirs]
    assert [row["labels"] for row in ours] == [batch["labels"][0].tolist() for batch in theirs]


@pytest.mark.skipif(find_spec("trl") is None, reason="TRL is not installed")
def test_trl_goes_on_from_what_was_kept(llama: Path, tmp_path: Path, call: Call) -> None:
    """Rows for a new LoRA, in the columns that this version of TRL has; and all weights of the model."""
    rows = str(written(OTHERS, tmp_path / "old.jsonl"))
    for remedy in ("ewc", "a-gem"):
        assert call("keep", str(llama), "--for", remedy, "--rows", rows, "--out", "state")[0] == 0
    trained_by_trl("SFT", llama, None, tmp_path / "lora", " grape", [AGEM(tmp_path / "state")])
    both = read_state(tmp_path / "lora" / "forgetting-state", "a-gem")
    assert (both.tasks, both.seen, len({*map(frozenset, both.rows)})) == (2, len(OTHERS) + len(SUBJECTS), 1)
    begun = language_model(llama)
    trained_by_trl("SFT", llama, begun, tmp_path / "whole", " grape", [EWC(tmp_path / "state")])
    assert read_state(tmp_path / "whole" / "forgetting-state", "ewc").tasks == 2


def test_only_what_is_answered_has_a_label(llama: Path, chatty: Path, tmp_path: Path) -> None:
    rows = encoded(OTHERS, llama, tmp_path)
    assert [row["labels"] for row in rows] == tokenized(OTHERS, llama)["labels"][:]
    assert [row["completion_mask"] for row in rows] == [[0, 0, 0, 1, 1]] * len(OTHERS)
    tokenizer = open_backbone(str(chatty)).tokenizer
    turns = FORMS["chat"][0]["messages"]
    (row,) = encoded([{"prompt": turns[:1], "completion": turns[1:]}], chatty, tmp_path)
    whole = tokenizer(f"user the {SUBJECTS[0]} [SEP] assistant {SUBJECTS[0]} [SEP] ", add_special_tokens=False)
    assert row["input_ids"] == whole["input_ids"]
    assert row["completion_mask"] == [0, 0, 0, 0, 1, 1, 1]
    ids = {"input_ids": [2, 7, 8], "labels": [-100, 7, -100]}
    (row,) = encoded([ids], llama, tmp_path)
    assert (row["input_ids"], row["labels"]) == (ids["input_ids"], ids["labels"])


def test_a_table_and_lines_are_the_same_rows(tmp_path: Path) -> None:
    for rows in (FORMS["text"], FORMS["chat"], OTHERS):
        lines = read_rows(written(rows, tmp_path / "rows.jsonl"))
        Dataset.from_list(rows).to_parquet(tmp_path / "rows.parquet")
        assert read_rows(tmp_path / "rows.parquet").rows == lines.rows == rows
        if "messages" not in rows[0]:
            Dataset.from_list(rows).to_csv(tmp_path / "rows.csv")
            assert read_rows(tmp_path / "rows.csv").rows == rows


def test_a_training_in_bfloat16_goes_on_from_what_was_kept_in_float32(llama: Path, tmp_path: Path, call: Call) -> None:
    """It is held: with the state it moves less, where the information is."""
    rows = str(written(OTHERS, tmp_path / "old.jsonl"))
    assert call("keep", str(llama), "--rows", rows, "--out", "state")[0] == 0
    kept, moved = read_state(tmp_path / "state", "ewc").tensors, []
    for callbacks in ([EWC(tmp_path / "state", strength=1e4)], []):
        model = language_model(llama).bfloat16()
        trained(model, tokenized(ROWS, llama), llama, tmp_path / "out", callbacks)
        gaps = {name: weight.detach().float() - kept["weights"][name] for name, weight in model.named_parameters()}
        moved.append(sum(float((kept["importance"][name] * gap.square()).sum()) for name, gap in gaps.items()))
    assert 0 < moved[0] < 0.5 * moved[1]


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"input_ids": [2, 5000], "labels": [2, 5000]}, ["row 2", "5000"]),
        ({"input_ids": [2, 7], "labels": [-100, 5000]}, ["row 2", "5000"]),
        ({"input_ids": [2, 7], "labels": [-100, -100]}, ["row 2", "none to answer"]),
        ({"input_ids": [2, 7], "labels": [7]}, ["row 2", "2 input_ids and 1 labels"]),
        ({"input_ids": [2, 7], "labels": "all"}, ["row 2", "'labels'", "all"]),
    ],
)
def test_a_row_that_cannot_be_read_is_named(
    row: dict[str, Any], named: list[str], llama: Path, tmp_path: Path, call: Call
) -> None:
    rows = written([{"input_ids": [2, 7, 8], "labels": [2, 7, 8]}, row], tmp_path / "rows.jsonl")
    code, _, err = call("keep", str(llama), "--rows", str(rows), "--out", "state")
    assert (code, lacks(err, "rows.jsonl", *named)) == (2, []), err
    assert not (tmp_path / "state").exists()


MISTAKES: dict[str, tuple[list[str], list[str]]] = {
    "model": (["nollama", "--rows", "text.jsonl"], ["nollama"]),
    "encoder": (["BERT", "--rows", "text.jsonl"], ["not a causal language model"]),
    "code": (["code", "--rows", "text.jsonl"], ["code/config.json", "auto_map"]),
    "pickle": (["pickle", "--rows", "text.jsonl"], ["no safetensors weights", "Pickled weights are not read"]),
    "adapter": (["adapter", "--rows", "text.jsonl"], ["this is an adapter", "--backbone"]),
    "whole with a base": (["LLAMA", "--rows", "text.jsonl", "--backbone", "LLAMA"], ["--backbone is for an adapter"]),
    "no lora": (["LLAMA", "--for", "o-lora"], ["o-lora", "A of a LoRA"]),
    "base of a lora": (["adapter", "--for", "o-lora", "--backbone", "LLAMA"], ["--backbone", "o-lora"]),
    "remedy": (["LLAMA", "--for", "ewk", "--rows", "text.jsonl"], ["'ewk'", "--for", "Did you mean ewc"]),
    "no rows": (["LLAMA"], ["ewc needs rows", "--rows old.jsonl", "--write"]),
    "both": (["LLAMA", "--rows", "text.jsonl", "--write", "5"], ["--write cannot be combined with --rows"]),
    "needless": (["LLAMA", "--for", "l2-to-start", "--rows", "text.jsonl"], ["--rows", "l2-to-start reads no rows"]),
    "file": (["LLAMA", "--rows", "no.jsonl"], ["no.jsonl"]),
    "columns": (["LLAMA", "--rows", "other.csv"], ["question, answer", "`prompt` and `completion`"]),
    "blank": (["LLAMA", "--rows", "blank.jsonl"], ["blank.jsonl, row 2", "'text'"]),
    "template": (["LLAMA", "--rows", "chat.jsonl"], ["chat.jsonl, row 1", "chat template"]),
    "length": (["LLAMA", "--rows", "text.jsonl", "--max-length", "4000"], ["max_length 4000"]),
    "cut": (["LLAMA", "--rows", "answers.jsonl", "--max-length", "3"], ["answers.jsonl, row 1", "--max-length"]),
    "state": (["LLAMA", "--rows", "text.jsonl", "--state", "nowhere"], ["nowhere", "no state"]),
    "other state": (
        ["LLAMA", "--for", "a-gem", "--rows", "text.jsonl", "--state", "full"],
        ["It holds the state of ewc"],
    ),
    "there already": (["LLAMA", "--rows", "text.jsonl", "--out", "full"], ["full", "state of ewc", "--overwrite"]),
    "something else": (["LLAMA", "--rows", "text.jsonl", "--out", "files"], ["files", "notes.txt"]),
    "no folder": (["LLAMA", "--rows", "text.jsonl", "--out", "a/b"], ["there is no folder 'a'"]),
    "no model": (["--rows", "text.jsonl"], ["BASE_OR_CHECKPOINT"]),
    "show and keep": (["LLAMA", "--show", "full"], ["--show cannot be combined"]),
    "show nothing": (["--show", "files"], ["files", "no state of a remedy"]),
}


@pytest.fixture
def here(llama: Path, bert: Path, tmp_path: Path, call: Call) -> Path:
    """A folder with rows, with a state, and with something else."""
    written(FORMS["text"], tmp_path / "text.jsonl")
    written([{"text": "the cat"}, {"text": " "}], tmp_path / "blank.jsonl")
    written(FORMS["chat"], tmp_path / "chat.jsonl")
    written(OTHERS, tmp_path / "answers.jsonl")
    (tmp_path / "other.csv").write_text("question,answer\nwho,me\n")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "notes.txt").write_text("mine")
    with_lora(llama).save_pretrained(tmp_path / "adapter")
    for name in ("code", "pickle"):
        shutil.copytree(llama, tmp_path / name)
    config = json.loads((llama / "config.json").read_text())
    mapped = {**config, "auto_map": {"AutoModelForCausalLM": "mine.Mine"}}
    (tmp_path / "code" / "config.json").write_text(json.dumps(mapped))
    (tmp_path / "code" / "mine.py").write_text("raise SystemExit('this file was run')")
    (tmp_path / "pickle" / "model.safetensors").rename(tmp_path / "pickle" / "pytorch_model.bin")
    assert call("keep", str(llama), "--rows", "text.jsonl", "--out", "full")[0] == 0
    return tmp_path


def listed(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_mistakes_change_nothing(here: Path, llama: Path, bert: Path, call: Call) -> None:
    before, paths = listed(here), {"LLAMA": str(llama), "BERT": str(bert)}
    for mistake, (given, named) in MISTAKES.items():
        arguments = [paths.get(word, word) for word in given]
        arguments += [] if {"--out", "--show"} & {*given} else ["--out", "state"]
        code, out, err = call("keep", *arguments)
        assert (mistake, code, out, lacks(err, *named)) == (mistake, 2, "", []), err
        assert listed(here) == before


def test_a_state_is_replaced_when_asked_and_stands_beside_others(here: Path, llama: Path, call: Call) -> None:
    before = listed(here / "full")
    assert call("keep", str(llama), "--rows", "text.jsonl", "--out", "full", "--overwrite", "--max-rows", "2")[0] == 0
    assert listed(here / "full").keys() == before.keys()
    assert listed(here / "full") != before
    code, out, _ = call("keep", str(llama), "--for", "a-gem", "--rows", "text.jsonl", "--out", "full", "--json")
    assert code == 0
    states = {state["remedy"]: state for state in json.loads(out)}
    origin = {"model": str(llama), "rows": 8, "written": False, "seed": 0}
    assert states["a-gem"]["origin"] == origin
    assert (states["a-gem"]["rows"], states["a-gem"]["tasks"], states["ewc"]["rows"]) == (8, 1, 0)
    numbers = sum(weight.numel() for weight in language_model(llama).parameters())
    assert states["ewc"]["numbers"] == {"importance": numbers, "weights": numbers}
    code, out, _ = call("keep", "--show", "full")
    said = " ".join(out.split())
    assert (code, lacks(said, "ewc", f"{numbers:,} importance", "a-gem 1 8 rows")) == (0, [])
    (here / "full" / "ewc" / "weights.safetensors").write_bytes(b"x")
    code, _, err = call("keep", "--show", "full")
    assert (code, lacks(err, "damaged", "weights.safetensors has changed")) == (1, [])


@pytest.mark.acceptance
@pytest.mark.parametrize("beside", [[], ["--for", "a-gem"]], ids=["new folder", "beside another state"])
def test_a_killed_command_leaves_no_half_of_a_state(beside: list[str], llama: Path, tmp_path: Path, call: Call) -> None:
    """It is killed before each change on disk; the next time nothing is left of the first but the state."""
    home = tmp_path / "home"
    home.mkdir()
    rows = str(written(FORMS["text"], tmp_path / "text.jsonl"))
    if beside:
        assert call("keep", str(llama), "--rows", rows, "--out", str(home / "state"), *beside)[0] == 0
    asked = ["keep", str(llama), "--rows", rows, "--out", "state", "--overwrite"]
    document = killed(home, "--compared", r"state/.*", "--", *asked)
    assert (len(document["killed"]), document["wrong"]) == (len(document["changes"]), [])
    assert json.dumps(document["changes"]).count("ewc") > 5


def test_texts_are_drawn_from_what_the_model_says(llama: Path) -> None:
    """The first token of 1,000 texts comes as often as the model's own probability says, within chance (χ², 99.9 %)."""
    from scipy.stats import chi2

    model, tokenizer = language_model(llama).eval(), open_backbone(str(llama)).tokenizer
    begin = tokenizer.eos_token_id  # it has no other token that begins a text
    rows = write_texts(model, tokenizer, 1000, 2, 0, lambda count: None)
    with torch.no_grad():
        expected = 1000 * model(input_ids=torch.tensor([[begin]])).logits[0, -1].double().softmax(dim=-1)
    seen = Counter(row["input_ids"][1] for row in rows)
    assert {(row["input_ids"][0], len(row["labels"])) for row in rows} == {(begin, 2)}
    statistic = sum((seen[token] - float(count)) ** 2 / float(count) for token, count in enumerate(expected))
    assert statistic < chi2.ppf(0.999, len(expected) - 1)


def test_a_model_writes_the_same_texts_for_the_same_seed(llama: Path, tmp_path: Path, call: Call) -> None:
    def texts(seed: int, out: str) -> list[list[int]]:
        asked = ["--for", "a-gem", "--write", "11", "--max-length", "6", "--seed", str(seed), "--out", out]
        code, _, err = call("keep", str(llama), *asked)
        assert code == 0, err
        return [row["input_ids"] for row in read_state(tmp_path / out, "a-gem").rows]

    first = texts(0, "first")
    assert len(first) == 11
    assert max(map(len, first)) == 6
    assert first == texts(0, "second")
    assert first != texts(1, "third")
    trained(language_model(llama), tokenized(OTHERS, llama), llama, tmp_path / "out", [AGEM(tmp_path / "first")])
    assert call("keep", str(llama), "--write", "11", "--max-length", "6", "--out", "fourth")[0] == 0
