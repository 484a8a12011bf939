"""Checkpoints of language models: likelihood of labels, solved examples in prompts, tasks of EleutherAI's harness."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.strategies._ways import AnswerSettings, asked, shown_rows
from adapter_workbench.workbench.answering.harness.questions import harness_tasks
from adapter_workbench.workbench.backbone.names import open_backbone
from tests.checkpoints import with_another_output_layer
from tests.conftest import FRUITS, SUBJECTS, Call, make_task
from tests.harness_tasks import ROWS, choices_config, words_config, write_task

NAMES = {"first": "cat dog", "second": "fig"}  # labels in words of the tiny models, of two tokens and of one
LIKELY = "{text} very"


def write_labelled(folder: Path) -> None:
    """Write a classification whose labels the tiny models can say, and a task that is answered in words."""
    made, tasks = make_task("words", SUBJECTS, FRUITS), folder / "tasks"
    tasks.mkdir()
    for split, rows in made.splits.items():
        frame = rows.to_pandas()
        frame["label"] = [NAMES[made.labels[label]] for label in frame["label"]]
        frame[["text", "label"]].to_csv(tasks / f"{split}.csv", index=False)
        frame["answer"] = frame["text"].str.split().str[1]
        frame[["text", "answer"]].to_csv(tasks / f"said-{split}.csv", index=False)
    files = "files: {train: train.csv, validation: validation.csv, test: test.csv}\n"
    (tasks / "words.yaml").write_text(
        f"description: made in tests\n{files}columns: {{text: text, label: label}}\nlicense: CC0-1.0\n"
    )
    (tasks / "saying.yaml").write_text(
        f"description: made in tests\nkind: causal-lm\n{files.replace(': t', ': said-t').replace(': v', ': said-v')}"
        "columns: {text: text, answer: answer}\nmetric: exact-match\nmax_new_tokens: 3\nlicense: CC0-1.0\n"
    )


@pytest.fixture
def tuned(llama: Path, tmp_path: Path) -> Path:
    """A whole model with another output layer."""
    write_labelled(tmp_path)
    return with_another_output_layer(llama, tmp_path / "tuned")


SMALL = ["--rows", "16", "--probes", "none", "--set", "budget.max_length=60", "--workspace", "ws", "--json"]


def column(document: Any, task: str) -> dict[str, Any]:
    """Return the entry of a task."""
    return next(change for change in document["strategies"]["given"]["examined"] if change["task"] == task)


def test_labels_are_continuations_behind_solved_examples(call: Call, llama: Path, tuned: Path, tmp_path: Path) -> None:
    given = ["examine", str(llama), str(tuned), "--task", "words,saying", "--labels", "likelihood", *SMALL]
    code, out, err = call(*given, "--set", f"strategies.given.prompt='{LIKELY}'")
    assert code == 0, err
    document = json.loads(out)
    assert (column(document, "words")["way"], column(document, "saying")["way"]) == ("likelihood", "generated")
    outcomes = [pd.read_parquet(path) for path in (tmp_path / "ws").rglob("*.parquet")]
    assert len(outcomes) == 4
    assert all(len(frame) == 16 for frame in outcomes)
    code, out, err = call(*given, "--set", f"strategies.given.prompt='{LIKELY}'", "--shots", "2", "--name", "shown")
    assert code == 0, err
    assert len([*(tmp_path / "ws").rglob("*.parquet")]) == 8, "solved examples are another question"


@pytest.mark.parametrize("task_type", ["CAUSAL_LM", None])
def test_a_lora_of_peft_is_asked_under_the_base_model_s_output_layer(
    task_type: str | None, call: Call, llama: Path, tmp_path: Path
) -> None:
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModel, AutoModelForCausalLM

    write_labelled(tmp_path)
    torch.manual_seed(1)
    model = (AutoModelForCausalLM if task_type else AutoModel).from_pretrained(llama)
    config = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type=task_type)
    adapted: PeftModel = get_peft_model(model, config)
    adapted.save_pretrained(tmp_path / "lora")
    options = ["--task", "words", "--labels", "likelihood", *SMALL, "--set", f"strategies.given.prompt='{LIKELY}'"]
    options += ["--rows", "24", "--set", "budget.precision=fp32"]
    code, out, err = call("examine", str(llama), str(tmp_path / "lora"), *options)
    assert code == 0, err
    lm = AutoModelForCausalLM.from_pretrained(llama).eval()
    if task_type:
        lm = PeftModel.from_pretrained(lm, tmp_path / "lora").eval()
    else:
        lm.model = adapted.eval()
    rows, tokenizer = pd.read_csv(tmp_path / "tasks/test.csv"), open_backbone(str(llama)).tokenizer
    right = 0
    for text, label in zip(rows["text"], rows["label"], strict=True):
        context = tokenizer(f"{text} very\n", add_special_tokens=False)["input_ids"]
        sums = {
            name: _continued(lm, context, tokenizer(name, add_special_tokens=False)["input_ids"])
            for name in NAMES.values()
        }
        right += max(sums, key=sums.__getitem__) == label
    assert column(json.loads(out), "words")["last"] == pytest.approx(right / len(rows)), "what peft's own model answers"


def _continued(lm: Any, context: list[int], answer: list[int]) -> float:
    """Return the log-likelihood of an answer behind a context."""
    import torch

    with torch.inference_mode():
        likely = lm(input_ids=torch.tensor([[*context, *answer]])).logits[0].log_softmax(-1)
    return sum(float(likely[len(context) - 1 + at, token]) for at, token in enumerate(answer))


def test_a_language_model_that_is_stored_here_has_the_numbers_of_its_folder(
    call: Call, llama: Path, tuned: Path, tmp_path: Path
) -> None:
    stored = Workbench(tmp_path / "ws", []).exchange.import_adapter(tuned)
    options = [
        "--task",
        "words,saying",
        "--labels",
        "likelihood",
        "--set",
        f"strategies.given.prompt='{LIKELY}'",
        *SMALL,
    ]
    answers = []
    for name in (str(tuned), stored.id):
        code, out, err = call("examine", str(llama), name, *options, "--name", f"of-{len(answers)}")
        assert code == 0, err
        answers.append(json.loads(out)["strategies"]["given"]["matrix"])
    assert answers[0] == answers[1]
    outcomes = [pd.read_parquet(path) for path in (tmp_path / "ws").rglob("*.parquet")]
    assert len(outcomes) == 6, "the base model is measured once"


def test_the_same_rows_are_shown_to_all_checkpoints() -> None:
    task, settings = make_task("words", SUBJECTS, FRUITS), AnswerSettings(labels="likelihood", shots=3)
    shown = shown_rows(task, 3)
    assert shown == shown_rows(task, 3)
    train = [*zip(task.splits["train"]["text"], task.splits["train"]["label"], strict=True)]
    assert {(text, label) for text, _, label in shown} <= {*train}
    ways = [asked("likelihood", task, chosen) for chosen in (settings, settings.model_copy(update={"shots": 2}))]
    assert ways[0] != ways[1]
    assert asked("generated", task, AnswerSettings()) == [], "what was measured before stays measured"


def test_tasks_of_the_harness_are_columns(call: Call, llama: Path, tuned: Path, tmp_path: Path) -> None:
    """Scores of columns are those of the harness; the class that asks is compared with the harness's own elsewhere."""
    pytest.importorskip("lm_eval", reason="the package lm-eval is not installed")
    from adapter_workbench.workbench.answering.harness.language_model import AdaptedLM
    from adapter_workbench.workbench.answering.harness.loading import load_tasks
    from adapter_workbench.workbench.answering.harness.loading import scores as harness_scores
    from adapter_workbench.workbench.probes._language import bare_model

    (tmp_path / "harness").mkdir()
    files = [str(write_task(tmp_path / "harness", config)) for config in (choices_config(), words_config())]
    given = ["examine", str(llama), str(tuned), "--lm-eval", ",".join(files), "--shots", "2", *SMALL]
    code, out, err = call(*given, "--rows", str(ROWS), "--set", "budget.precision=fp32")
    assert code == 0, err
    document = json.loads(out)
    assert document["tasks"] == ["which_animal", "which_animal_in_words"]
    for folder, when in ((llama, "first"), (tuned, "last")):
        own = open_backbone(str(folder))
        lm = AdaptedLM(bare_model(own, "fp32"), own.tokenizer, 4)
        theirs = harness_scores(lm, load_tasks(files, 2), None, seed=0)
        for task, metric in (("which_animal", "acc_norm"), ("which_animal_in_words", "exact_match")):
            assert column(document, task)[when] == pytest.approx(theirs[task][metric])
            assert column(document, task)["way"] == "harness"
    assert column(document, "which_animal")["p"] is not None, "the paired test has the scores of single questions"
    code, out, err = call("report", document["experiment"], "--workspace", "ws")
    assert code == 0, err
    assert "which_animal" in out


def test_a_task_file_is_found_by_processes_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lm_eval", reason="the package lm-eval is not installed")
    path = write_task(tmp_path, choices_config())
    monkeypatch.chdir(tmp_path)
    (here,) = harness_tasks([path.name])
    assert here.named == (str(path),)
    assert here.fingerprint == harness_tasks([str(path)])[0].fingerprint, "where the files lie changes nothing"
    assert "scored by acc_norm" in here.origin
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert here.splits["test"]["answer"][:] == [row["choices"][row["gold"]] for row in rows]


REFUSED = {
    "shots of a head": (["--task", "words", "--shots", "2"], "words is answered by a head"),
    "shots beyond the rows": (["--task", "saying", "--shots", "65"], "65 shots, but 'saying' has 64 training rows"),
    "shots too long": (
        ["--task", "saying", "--shots", "2", "--set", "budget.max_length=13"],
        "2 solved examples, a question and its answer take up to 14 tokens of 'saying'",
    ),
    "labels of a wrong way": (["--task", "words", "--labels", "likely"], "likelihood"),
    "a prompt for nothing": (
        ["--task", "saying", "--set", "strategies.given.prompt='{text}'"],
        "no task is answered by",
    ),
    "a prompt without a text": (["--task", "words", "--set", "strategies.given.prompt=so"], "needs the place {text}"),
    "no rows": (["--task", "words", "--rows", "0"], "--rows"),
    "a file that is not there": (["--lm-eval", "nothing.yaml"], "nothing.yaml"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_meaning_is_refused(case: str, call: Call, llama: Path, tuned: Path, tmp_path: Path) -> None:
    options, message = REFUSED[case]
    code, out, err = call("examine", str(llama), str(tuned), *options, "--workspace", "ws")
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert not out
    assert not (tmp_path / "ws/experiments").exists()


@pytest.mark.acceptance  # the harness reads thousands of files
def test_an_unknown_task_of_the_harness_is_named(call: Call, llama: Path, tuned: Path) -> None:
    code, _, err = call("examine", str(llama), str(tuned), "--lm-eval", "arc_eazy", "--workspace", "ws")
    assert code == 2
    assert "'arc_eazy'" in err
    assert "arc_easy" in err


@pytest.mark.parametrize("option", [("--shots", "2"), ("--labels", "likelihood"), ("--lm-eval", "nothing.yaml")])
def test_an_encoder_is_not_asked(option: tuple[str, str], call: Call, bert: Path, tmp_path: Path) -> None:
    write_labelled(tmp_path)
    shutil.copytree(bert, tmp_path / "copy")
    code, _, err = call("examine", str(bert), str(tmp_path / "copy"), "--task", "words", *option, "--workspace", "ws")
    assert code == 2
    assert "causal language model" in err or "causal-lm" in err


def test_without_the_package_one_message_says_what_to_install(
    call: Call, llama: Path, tuned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from adapter_workbench.workbench.machine import extras

    monkeypatch.setattr(extras, "installed_version", lambda package: None)
    code, _, err = call("examine", str(llama), str(tuned), "--lm-eval", "hellaswag", "--workspace", "ws")
    assert code == 2
    assert "pip install 'adapter-workbench[lm-eval]'" in err
