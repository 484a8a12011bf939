"""The probe lm-eval against the harness's own class for models of transformers, on tasks that the tests write."""

from __future__ import annotations

import copy
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

pytest.importorskip("lm_eval", reason="the package lm-eval is not installed")

from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from tokenizers import processors

from adapter_workbench.workbench.answering.harness.language_model import AdaptedLM
from adapter_workbench.workbench.answering.harness.loading import identity, load_tasks, scores
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.probes import ProbeContext
from adapter_workbench.workbench.probes._language import bare_model
from adapter_workbench.workbench.probes.lm_eval import PROBE, Harness, HarnessSettings
from tests.harness_tasks import ROWS, choices_config, words_config, write_task
from tests.messages import naming

ContextOf = Callable[..., ProbeContext]
PAIRS = [("the cat very often", " dog"), ("", "apple pear"), ("a ", "fish"), ("one this that", " cow sheep plum")]
TEXTS = ["the cat very often a dog", "apple pear some quite lemon " * 20]


@pytest.fixture(scope="module", autouse=True)
def no_network() -> Any:
    """Any use of a network is an error."""

    def refuse(*_: Any) -> None:
        raise AssertionError("a network was used")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", refuse)
        patch.setattr(socket.socket, "connect", refuse)
        yield


@pytest.fixture(scope="module")
def causal(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    """A LLaMA whose tokenizer puts a token before a text and none after it, as those of such models do."""
    folder = tmp_path_factory.mktemp("causal") / "llama"
    shutil.copytree(llama, folder)
    tokenizer = open_backbone(str(folder)).tokenizer
    own: Any = tokenizer.backend_tokenizer
    own.post_processor = processors.TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 2)])
    tokenizer.save_pretrained(folder)
    return open_backbone(str(folder))


@pytest.fixture(scope="module")
def theirs(causal: Backbone) -> Any:
    """The harness's own class around transformers' own model."""
    from transformers import AutoModelForCausalLM

    lm = AutoModelForCausalLM.from_pretrained(causal.folder).eval()
    lm.generation_config.eos_token_id = causal.tokenizer.eos_token_id
    return HFLM(pretrained=lm, tokenizer=causal.tokenizer, batch_size=2)


@pytest.fixture(scope="module")
def ours(causal: Backbone) -> AdaptedLM:
    return AdaptedLM(bare_model(causal, "fp32"), causal.tokenizer, 2)


def _requests(kind: Any, arguments: list[tuple[Any, ...]]) -> list[Instance]:
    return [Instance(kind, {}, args, 0) for args in arguments]


def _moved(backbone: Backbone) -> TaskModel:
    """Return a model under a LoRA that does something."""
    model = Adaptation(backbone, "lora", METHODS.get("lora").settings(), "fp32").fresh("classification", 2, 0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model.eval()


def test_likelihoods_are_the_harness_s(ours: AdaptedLM, theirs: Any) -> None:
    likelihoods, expected = (lm.loglikelihood(_requests("loglikelihood", PAIRS)) for lm in (ours, theirs))
    assert [pair[0] for pair in likelihoods] == pytest.approx([pair[0] for pair in expected], rel=1e-4)
    assert [pair[1] for pair in likelihoods] == [pair[1] for pair in expected]


def test_long_texts_are_told_in_the_harness_s_windows(ours: AdaptedLM, theirs: Any) -> None:
    requests = [(text,) for text in TEXTS]
    assert len(ours.tok_encode(TEXTS[1])) > ours.max_length == theirs.max_length
    totals, expected = (lm.loglikelihood_rolling(_requests("loglikelihood_rolling", requests)) for lm in (ours, theirs))
    assert totals == pytest.approx(expected, rel=1e-4)


def test_answers_are_the_harness_s(ours: AdaptedLM, theirs: Any) -> None:
    settings = {"until": ["\n"], "max_gen_toks": 6, "do_sample": False}
    asked = [(text[:60], dict(settings)) for text in (*TEXTS, "cow")]
    answers, expected = (lm.generate_until(_requests("generate_until", asked)) for lm in (ours, theirs))
    assert answers == expected
    assert any(answers)
    stop = answers[0].split()[1]
    (cut,) = ours.generate_until(_requests("generate_until", [(TEXTS[0], {**settings, "until": [stop]})]))
    assert cut == answers[0].split(stop)[0]


def test_an_answer_longer_than_the_model_reads_is_refused(ours: AdaptedLM) -> None:
    with pytest.raises(InputError, match="answers of up to 64 tokens"):
        ours.generate_until(_requests("generate_until", [("cow", {"max_gen_toks": 64})]))


@pytest.mark.parametrize("config", [choices_config(), words_config()], ids=["choices", "words"])
@pytest.mark.parametrize("shots", [None, 2])
def test_scores_are_the_harness_s(
    config: dict[str, Any], shots: int | None, ours: AdaptedLM, theirs: Any, tmp_path: Path
) -> None:
    tasks = load_tasks([str(write_task(tmp_path, config))], shots)
    values = scores(ours, tasks, 10, seed=0)
    assert values == scores(theirs, tasks, 10, seed=0)
    assert scores(ours, tasks, 10, seed=0) == values
    assert {*values[config["task"]]} == {metric["metric"] for metric in config["metric_list"]}


def test_filters_of_answers_are_told_apart(ours: AdaptedLM, theirs: Any, tmp_path: Path) -> None:
    first = {"function": "regex", "regex_pattern": r"(\w+)"}
    filters = [
        {"name": "first-word", "filter": [first, {"function": "take_first"}]},
        {"name": "none", "filter": [{"function": "take_first"}]},
    ]
    tasks = load_tasks([str(write_task(tmp_path, {**words_config(), "filter_list": filters}))], None)
    values = scores(ours, tasks, None, seed=0)
    assert values == scores(theirs, tasks, None, seed=0)
    assert {*values["which_animal_in_words"]} == {"exact_match,first-word", "exact_match"}


def test_the_bare_backbone_has_not_changed(causal: Backbone, task: Task, context_of: ContextOf) -> None:
    bare = TaskModel(causal.load(), nn.Linear(32, 2), KINDS.get("classification"), causal.pooling, "fp32").eval()
    values = PROBE.measure(bare, context_of(bare, task, causal))
    assert {*values} == {f"which-animal/{name}" for name in ("acc", "acc-norm", "acc-change", "acc-norm-change")}
    assert (values["which-animal/acc-change"], values["which-animal/acc-norm-change"]) == (0, 0)
    assert values["which-animal/acc"] * ROWS == pytest.approx(round(values["which-animal/acc"] * ROWS))


def test_the_adapted_body_is_asked(causal: Backbone, task: Task, context_of: ContextOf, theirs: Any) -> None:
    """The update is merged by peft itself, and asked by the harness's own class."""
    from transformers import AutoModelForCausalLM

    model = _moved(causal)
    context = context_of(model, task, causal)
    values = PROBE.measure(model, context)
    body: Any = model.body
    with torch.no_grad():
        lm = AutoModelForCausalLM.from_pretrained(causal.folder).eval()
        lm.model = copy.deepcopy(body).merge_and_unload()
    (path,) = context.settings["lm-eval"].tasks  # type: ignore[attr-defined]
    tasks = load_tasks([path], None)
    expected = scores(HFLM(pretrained=lm, tokenizer=causal.tokenizer, batch_size=2), tasks, 100, seed=0)["which_animal"]
    before = scores(theirs, tasks, 100, seed=0)["which_animal"]
    assert values["which-animal/acc"] == expected["acc"]
    assert values["which-animal/acc-change"] == expected["acc"] - before["acc"]
    assert values["which-animal/acc-norm-change"] != 0 or values["which-animal/acc-change"] != 0


def test_what_is_asked_is_part_of_what_determines_the_values(choices: Path, tmp_path: Path) -> None:
    probe = Harness()

    def asked(path: Path, **changes: Any) -> Any:
        return probe.ask(HarnessSettings(tasks=(str(path),), **changes)).identity

    moved = tmp_path / "moved"
    shutil.copytree(choices.parent, moved)
    assert asked(moved / choices.name) == asked(choices), "where the files lie changes nothing"
    ways = [asked(choices), asked(choices, limit=5), asked(choices, limit=None), asked(choices, num_fewshot=1)]
    rows = (moved / "rows.jsonl").read_text().splitlines()
    (moved / "rows.jsonl").write_text("\n".join([rows[1], *rows[1:]]) + "\n")
    os.utime(moved / "rows.jsonl", (1, 1))
    ways.append(asked(moved / choices.name))
    assert len({str(way) for way in ways}) == len(ways)


def test_paths_are_whole_for_processes_elsewhere(choices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(choices.parent)
    settings = Harness().ask(HarnessSettings(tasks=(choices.name,))).settings
    assert isinstance(settings, HarnessSettings)
    assert settings.tasks == (str(choices),)


def test_templates_reach_nothing_of_python(tmp_path: Path) -> None:
    reaching = {**choices_config(), "doc_to_text": "{{ ''.__class__.__mro__[1].__subclasses__() }}"}
    with pytest.raises(InputError, match="unsafe"):
        load_tasks([str(write_task(tmp_path, reaching))], None)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"metric_list": [{"metric": "accuracy"}]}, "lm-eval has no metric 'accuracy'"),
        ({"generation_kwargs": {"do_sample": True, "until": ["\n"]}}, "its answers are sampled"),
        ({"generation_kwargs": {"temperature": 0.7, "until": ["\n"]}}, "its answers are sampled"),
        ({"test_split": "nothing"}, "cannot be opened: KeyError"),
    ],
)
def test_a_task_that_is_not_run_here_is_refused(changes: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    path = write_task(tmp_path, {**words_config(), **changes})
    with pytest.raises(InputError) as caught:
        load_tasks([str(path)], None)
    assert complaint in str(caught.value)


def test_the_harness_is_left_as_it_was(choices: Path, ours: AdaptedLM) -> None:
    import evaluate
    from datasets.utils import are_progress_bars_disabled
    from lm_eval import utils
    from lm_eval.api import task

    before = (utils.env, evaluate.load, task.tqdm, are_progress_bars_disabled())
    tasks = load_tasks([str(choices)], None)
    identity(tasks, None)
    scores(ours, tasks, 2, seed=0)
    assert before == (utils.env, evaluate.load, task.tqdm, are_progress_bars_disabled())


@pytest.mark.acceptance  # the harness reads thousands of files
def test_names_are_those_of_the_harness() -> None:
    with pytest.raises(InputError, match=naming("lm-eval", "'arc_eazy'")) as caught:
        load_tasks(["arc_eazy"], None)
    assert "arc_easy" in str(caught.value)


def test_only_a_causal_language_model_is_asked(backbone: Backbone, causal: Backbone) -> None:
    assert "not a causal language model" in str(PROBE.objection(backbone, "classification"))
    assert PROBE.objection(causal, "classification") is None
