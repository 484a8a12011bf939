"""The recipes of published benchmarks are planned, on folders laid out as their data sets on the hub are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import datasets
import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.engine.recipes import RECIPES
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.settings.base import read
from tests.conftest import Call
from tests.hub_folders import loader, natural_instructions, prompts_and_answers, with_intents, write

CLINC = [f"clinc150-{number}" for number in range(1, 16)]
BANKING = [f"banking77-{number}" for number in range(1, 8)]
LONG = """yelp-full amazon-full glue-mnli superglue-cb superglue-copa glue-qqp glue-rte imdb glue-sst2 dbpedia ag-news
yahoo-answers superglue-multirc superglue-boolq superglue-wic""".split()
SUPERNI = """samsum sst2 xsum outcome-extraction quoref evalution multi-woz personachat commonsenseqa diplomacy glucose
reddit-tifu sciq sentiment140 emotion""".split()
TRACE = "C-STANCE FOMC MeetingBank Py150 ScienceQA NumGLUE-cm NumGLUE-ds 20Minuten".split()
FLAN = "cola mnli mrpc qnli qqp rte sst2 stsb".split()
# the order of each benchmark's first stream, as its authors' scripts have it, and a backbone of the same sort
BENCHMARKS = {
    "standard-4": (["dbpedia", "amazon-full", "yahoo-answers", "ag-news"], "t5"),
    "long-15": (LONG, "t5"),
    "clinc-15": (CLINC, "llama"),
    "banking-7": (BANKING, "llama"),
    "glue-4": (["glue-rte", "glue-mrpc", "glue-cola", "glue-sst2"], "bert"),
    "superni-15": ([f"superni-{name}" for name in SUPERNI], "t5"),
    "trace": ([f"trace-{name.lower()}" for name in TRACE], "llama"),
    "flan-glue-8": ([f"flan-glue-{name}" for name in FLAN], "t5"),
}
SMALL = ["train_examples=24", "eval_examples=16", "batch_size=8", "gradient_accumulation=1", "max_length=16"]

Asked = list[tuple[str, str | None, str | None]]


def labels(names: list[str]) -> list[str]:
    """Return the labels of several tasks, one after the other, as their files have them."""
    return [*chain.from_iterable(registry.find(name).file.labels or () for name in names)]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """The hub, as folders; what is asked of it is noted."""
    folder, noted = tmp_path_factory.mktemp("hub"), []
    intents = labels(CLINC)
    write(with_intents((*intents[:42], "oos", *intents[42:]), tuple(labels(BANKING))), folder / "sets")
    prompts_and_answers(folder / "home" / "TRACE", TRACE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_CACHE", str(folder / "cache"))
        patch.setenv("HOME", str(folder / "home"))
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", str(folder / "datasets"))
        patch.setattr(datasets, "load_dataset", loader(folder / "sets", noted))
        patch.setattr("adapter_workbench.tasks.sources.hub.hub_silence", lambda: "")
        patch.setattr(
            "adapter_workbench.tasks.sources.github.fetch",
            lambda _, file: natural_instructions(folder / "github" / file.path),
        )
        yield noted


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_is_planned_from_folders_in_hub_layout(
    name: str, asked: Asked, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    tasks, sort = BENCHMARKS[name]
    small = [f"backbone={request.getfixturevalue(sort)}", *(f"budget.{setting}" for setting in SMALL)]
    plan = Workbench(tmp_path / "space").plan(name, small)
    assert [task.name for task in plan.tasks] == tasks
    assert {tuple(sorted(task.name for task in order)) for order in plan.orders} == {tuple(sorted(tasks))}
    strategies = read(RECIPES.path(name)).data["strategies"]
    assert {step.entry.label for step in plan.stages} == set(strategies), "each entry fits the backbone and the tasks"
    for task in plan.tasks:
        assert all(len(rows) for rows in task.splits.values())
        if task.labels:
            assert set(task.splits["test"]["label"]) == set(range(len(task.labels))), "every class is read by its name"
    pinned = {identity: revision for identity, _, revision in asked if revision != "main"}
    assert all(len(str(revision)) == 40 for revision in pinned.values())


def test_a_dry_run_of_the_first_order_says_how_much_there_is_to_do(asked: Asked, t5: Path, call: Call) -> None:
    small = [f"backbone={t5}", "orders=1", *(f"budget.{setting}" for setting in SMALL)]
    code, out, _ = call(
        "run", "standard-4", "--dry-run", "--json", *(word for setting in small for word in ("--set", setting))
    )
    assert code == 0
    pieces = [piece for piece in json.loads(out)["pieces"] if piece["label"].startswith("seq-lora")]
    assert len(pieces) == 4
    assert {piece["optimiser_steps"] for piece in pieces} == {24 // 8}


@pytest.mark.acceptance
@pytest.mark.parametrize(
    ("name", "tasks"),
    [
        ("superni-15", "superni-samsum, superni-sst2"),
        ("trace", "trace-fomc, trace-numglue-cm"),
        ("flan-glue-8", "flan-glue-mrpc, flan-glue-stsb"),
    ],
)
def test_what_is_answered_in_words_is_learned_in_every_way(
    name: str, tasks: str, asked: Asked, request: pytest.FixtureRequest, call: Call
) -> None:
    settings = [f"backbone={request.getfixturevalue(BENCHMARKS[name][1])}", f"tasks=[{tasks}]", "orders=1", "tune=0"]
    settings += [f"budget.{setting}" for setting in [*SMALL[:-1], "max_length=48", "epochs=1"]]
    code, _, err = call("run", name, *(word for setting in settings for word in ("--set", setting)))
    assert code == 0, err
    code, out, _ = call("report", name, "--json")
    assert code == 0
    assert json.loads(out)["strategies"].keys() == read(RECIPES.path(name)).data["strategies"].keys()


def test_the_three_orders_are_those_of_the_authors_scripts() -> None:
    # scripts/order_1.sh to order_3.sh of cmnfriend/O-LoRA; orders 4 and 5 of PKU-YuanGroup/N-LoRA, whose 6 is O-LoRA's
    standard = read(RECIPES.path("standard-4")).data["orders"]
    assert standard == [
        ["dbpedia", "amazon-full", "ag-news", "yahoo-answers"],
        ["yahoo-answers", "amazon-full", "ag-news", "dbpedia"],
    ]
    first, second = read(RECIPES.path("long-15")).data["orders"]
    assert (first[0], first[2], first[-1]) == ("glue-mnli", "superglue-wic", "yahoo-answers")
    assert (second[0], second[-3:]) == ("superglue-multirc", ["yelp-full", "amazon-full", "yahoo-answers"])


def test_the_orders_of_superni_are_those_of_the_authors_script() -> None:
    # gen_script_superni_t5.py of circle-hit/SAPT, by the numbers of the tasks
    def numbers(names: list[str]) -> list[str]:
        paths = [registry.find(name).source_settings.train.path for name in names]
        return [re.findall(r"/task(\d+)_", path)[0] for path in paths]

    first = numbers([*registry.families()["superni"]])
    assert first == "1572 363 1290 181 002 1510 639 1729 073 1590 748 511 591 1687 875".split()
    (second,) = read(RECIPES.path("superni-15")).data["orders"]
    assert numbers(second) == "748 073 1590 639 1572 1687 591 363 1510 1729 181 511 002 1290 875".split()


def test_an_instruction_stands_before_each_input(asked: Asked) -> None:
    row = registry.load(registry.find("superni-samsum")).splits["test"][0]
    question = re.fullmatch(
        r"Say what follows\.\n\nInput: \w+ (\d+) of task1572_samsum_summary test\nOutput:", row["text"]
    )
    assert question
    assert question[1] == row["answer"]
    assert (row["metric"], row["max_new_tokens"]) == ("rouge-l", 50)


def test_the_second_order_of_trace_is_that_of_the_papers_appendix() -> None:
    # arXiv:2310.06762, appendix 4.7; the first is that of scripts/train_seq_naive.sh in BeyonderXX/TRACE
    names = "NumGLUE-cm NumGLUE-ds FOMC 20Minuten C-STANCE Py150 MeetingBank ScienceQA".split()
    assert read(RECIPES.path("trace")).data["orders"] == [[f"trace-{name.lower()}" for name in names]]


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("cola", {"acceptable", "unacceptable"}),
        ("mnli", {"entailment", "neutral", "contradiction"}),
        ("mrpc", {"yes", "no"}),
        ("qnli", {"yes", "no"}),
        ("qqp", {"yes", "no"}),
        ("rte", {"yes", "no"}),
        ("sst2", {"positive", "negative"}),
        ("stsb", {"3.8", "5", "0.25"}),
    ],
)
def test_glue_is_asked_and_answered_in_words(name: str, answers: set[str], asked: Asked) -> None:
    task = registry.load(registry.find(f"flan-glue-{name}"))
    rows = [*task.splits["test"]]
    assert {row["answer"] for row in rows} == answers
    assert all("{" not in row["text"] and "of validation" in row["text"] for row in rows)
    labelled = registry.load(registry.find(f"glue-{name}"))
    assert [row["id"] for row in rows] == [row["id"] for row in labelled.splits["test"]]
    if labelled.labels and answers == {"yes", "no"}:
        yes = labelled.labels.index({"mrpc": "equivalent", "qqp": "duplicate"}.get(name, "entailment"))
        assert [row["answer"] == "yes" for row in rows] == [row["label"] == yes for row in labelled.splits["test"]]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_says_whose_it_is_and_what_differs(name: str) -> None:
    header = RECIPES.path(name).read_text(encoding="utf-8").partition("\nname:")[0]
    for part in ("# Source: ", "# Protocol there: ", "Metric", "# What differs here", "arXiv:"):
        assert part in header


def test_class_incremental_streams_have_every_intent_once() -> None:
    for names, per_task, total in ((CLINC, 10, 150), (BANKING, 11, 77)):
        assert {len(registry.find(name).file.labels or ()) for name in names} == {per_task}
        assert len(set(labels(names))) == total
        assert registry.families()[names[0].rpartition("-")[0]] == tuple(names), "a family is a stream in its order"
