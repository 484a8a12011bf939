"""causal-lm beside transformers' own causal language model: the same loss, the same likelihoods, the same answers."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import Dataset, concatenate_datasets

from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.answering.evaluation import evaluate, features
from adapter_workbench.workbench.answering.predictor import with_options
from adapter_workbench.workbench.backbone.answer_options import AnswerOptions
from adapter_workbench.workbench.backbone.batching import BATCH_SIZE, IGNORED
from adapter_workbench.workbench.backbone.generation import generate
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.output_layer import output_layer
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.backbone.prompts import STOPPED, end_token, end_tokens, prompts
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.kinds._free_text import Answer
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson, fit, learn
from tests.conftest import FILLERS, SUBJECTS
from tests.messages import naming

KIND = KINDS.get("causal-lm")
LENGTH = 16
CHAT = (  # as in the instruction models: a system line first, then turns; what ends a turn is not the end of a text
    "{% for m in messages %}{% if loop.first %}[CLS] very {% endif %}"
    "{{ 'this ' if m.role == 'user' else 'that ' }}{{ m.content }} [MASK] quite {% endfor %}"
    "{% if add_generation_prompt %}that {% endif %}"
)


@pytest.fixture(scope="module")
def plain(llama: Path) -> Backbone:
    return open_backbone(str(llama))


@pytest.fixture(scope="module")
def chatty(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    """The tiny LLaMA with a chat template."""
    folder = shutil.copytree(llama, tmp_path_factory.mktemp("chat") / "llama")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": CHAT}))
    return open_backbone(str(folder))


@pytest.fixture(scope="module", params=["plain", "chatty"])
def backbone(request: pytest.FixtureRequest) -> Backbone:
    chosen: Backbone = request.getfixturevalue(request.param)
    return chosen


def adapted(backbone: Backbone, method: str = "lora", **settings: Any) -> Adaptation:
    return Adaptation(backbone, method, METHODS.get(method).settings(**settings), "fp32")


def untrained(backbone: Backbone) -> TaskModel:
    """A fresh LoRA changes nothing (B is 0): the model answers as the backbone does."""
    return adapted(backbone).fresh("causal-lm", 0, seed=0)


def lm_of(backbone: Backbone) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(backbone.folder, dtype=torch.float32).eval()


def rows_of(count: int, limit: int = 6, answers: tuple[str, ...] = ("cat dog", "plum")) -> Dataset:
    """Texts of many lengths, in no order."""
    generator = np.random.default_rng(0)
    words = [*SUBJECTS, *FILLERS]
    texts = [" ".join(generator.choice(words, 1 + 7 * i % 8)) for i in range(count)]
    return Dataset.from_dict(
        {
            "id": [str(i) for i in range(count)],
            "text": texts,
            "answer": [answers[i % len(answers)] for i in range(count)],
            "metric": ["exact-match"] * count,
            "max_new_tokens": [limit] * count,
        }
    )


def ids_of(words: str, backbone: Backbone) -> list[int]:
    ids: list[int] = backbone.tokenizer(words, add_special_tokens=False)["input_ids"]
    return ids


def test_a_prompt_without_a_template_is_the_text(plain: Backbone) -> None:
    assert prompts(["the cat"], plain.tokenizer) == ["the cat\n"]
    assert end_token(plain.tokenizer) == plain.tokenizer.eos_token_id == 3
    (row,) = KIND.encode(rows_of(1), plain.tokenizer, LENGTH)
    asked, answer = ids_of(rows_of(1)["text"][0], plain), ids_of("cat dog", plain)
    assert row["input_ids"] == [*asked, *answer, 3]
    assert row["labels"] == [IGNORED] * len(asked) + [*answer, 3]


def test_a_prompt_with_a_template_is_a_user_s_turn_and_the_answer_ends_as_the_template_says(chatty: Backbone) -> None:
    assert prompts(["the cat"], chatty.tokenizer) == ["[CLS] very this the cat [MASK] quite that "]
    assert end_token(chatty.tokenizer) == chatty.tokenizer.mask_token_id
    (row,) = KIND.encode(rows_of(1), chatty.tokenizer, LENGTH)
    turns = [{"role": "user", "content": rows_of(1)["text"][0]}, {"role": "assistant", "content": "cat dog"}]
    whole = chatty.tokenizer.apply_chat_template(turns, return_dict=False)
    assert row["input_ids"] == whole[:-1], "all of the conversation but what follows the end of the turn"


def test_a_template_that_writes_the_date_writes_the_same_on_every_day(plain: Backbone) -> None:
    tokenizer = copy.deepcopy(plain.tokenizer)
    tokenizer.chat_template = "{{ strftime_now('%d %b %Y') }}: {{ messages[0].content }}"
    assert prompts(["the cat"], tokenizer) == ["26 Jul 2024: the cat"]


TEMPLATES = [  # with what published ones use
    CHAT,
    "{% for turn in messages %}\n  {%- if turn.role == 'system' %}{% continue %}{% endif %}\n    "
    "{{ turn['content'] | trim }}{{ eos_token }}\n{% endfor %}\n\n{% if add_generation_prompt %}\n  go{% endif %}\n",
    "{% set state = namespace(last='') %}{% for turn in messages %}{% set state.last = turn.content %}{% endfor %}"
    "{{ state.last.split(' ')[-1] }}{{ {'<': messages} | tojson }}{{ messages | tojson(indent=2) }}",
    "{% macro say(turn) %}{{ turn.content }}{% endmacro %}{% for turn in messages %}"
    "{% generation %}{{ say(turn) }}{% endgeneration %}{% if loop.last %}{% break %}{% endif %}{% endfor %}",
    "{{ bos_token }}{{ tools }}{{ documents }}{% if date is not defined %}none{% endif %}{{ unknown }}{{ sep_token }}",
    "{{ strftime_now('%d %B %Y') }}{{ messages[0]['content'] }}",
]


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_writes_what_transformers_lets_it_write(template: str, plain: Backbone) -> None:
    tokenizer = copy.deepcopy(plain.tokenizer)
    tokenizer.chat_template = template
    turns = [{"role": "user", "content": " the <cat> "}]
    given = STOPPED + template if "strftime_now" in template else template
    wanted = tokenizer.apply_chat_template(turns, chat_template=given, tokenize=False, add_generation_prompt=True)
    assert prompts([turns[0]["content"]], tokenizer) == [wanted]


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ raise_exception('Roles must alternate') }}", "Roles must alternate"),
        ("{{ messages[7].content }}", "list object has no element 7"),
        ("{% if %}", "Expected an expression"),
        ("{{ 'a' * 10**10 }}", "more than 2 GiB of memory"),
        ("{{ 'a' * 10**6 }}", "3 characters into 1,000,000"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", r"more than 0\.\d+ seconds"),
        (
            "{% if messages[0].content == 'dog' %} {% else %}{{ messages[0].content }}{% endif %}",
            "writes an empty prompt",
        ),
        ({"tool_use": "a", "rag": "b"}, "multiple chat templates"),
    ],
)
def test_a_template_that_fails_is_one_message(
    template: Any, why: str, plain: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter_workbench.workbench.backbone.prompts.SECONDS", 0.1)
    tokenizer = copy.deepcopy(plain.tokenizer)
    tokenizer.chat_template = template
    with pytest.raises(InputError, match=f"the chat template .*{why}") as caught:
        prompts(["dog", "the cat"], tokenizer)
    assert caught.value.where == str(plain.folder)
    assert "chat_template.jinja" in str(caught.value.hint)


def test_a_prompt_without_a_token_is_refused(plain: Backbone) -> None:
    rows = Dataset.from_dict({"text": ["the cat", " "], "answer": ["dog", "dog"]})
    with pytest.raises(InputError, match=r"the prompt ' \\n' into no tokens"):
        KIND.questions(rows, plain.tokenizer, LENGTH)


@pytest.mark.parametrize(
    ("after", "end"),
    [
        ("' ' + eos_token", "[SEP]"),
        ("' \n[MASK] very'", "[MASK]"),
        ("'very [MASK]'", "very"),
        ("'\n'", "\n"),
        ("' '", "[SEP]"),
    ],
)
def test_white_space_before_the_end_of_an_answer_is_not_its_end(after: str, end: str) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {word: index for index, word in enumerate(["[UNK]", "[SEP]", "[MASK]", " ", "\n", "very"])}
    inner = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Split(" ", "isolated")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token="[SEP]", mask_token="[MASK]", unk_token="[UNK]"
    )
    tokenizer.chat_template = f"{{% for turn in messages %}}{{{{ turn.content + {after} }}}}{{% endfor %}}"
    assert end_token(tokenizer) == words[end]


def test_a_tokenizer_without_an_end_is_refused(plain: Backbone) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(plain.folder)
    tokenizer.eos_token = None
    with pytest.raises(InputError, match="ends a text"):
        KIND.encode(rows_of(1), tokenizer, LENGTH)


def test_prompts_are_cut_at_the_front_and_answers_at_the_end(plain: Backbone) -> None:
    rows = Dataset.from_dict({"text": ["the cat very often"], "answer": ["dog plum fig pear"], "max_new_tokens": [3]})
    (asked,), (row,) = KIND.questions(rows, plain.tokenizer, 5), KIND.encode(rows, plain.tokenizer, 5)
    assert asked["input_ids"] == ids_of("very often", plain)
    assert row["input_ids"] == [*ids_of("very often dog plum", plain), 3]
    assert KIND.lengths(rows, plain.tokenizer) == ([4], [5])
    with pytest.raises(InputError, match=naming("max_length 3", "prompt", "answer of up to 3")):
        KIND.questions(rows, plain.tokenizer, 3)


def test_a_chat_that_does_not_fit_is_refused_and_loses_no_turn(chatty: Backbone) -> None:
    system = {"role": "system", "content": "plum"}
    text = Dataset.from_dict({"text": ["the cat often"], "max_new_tokens": [3]})
    chat = with_options(text, AnswerOptions(earlier=(system,)))
    (whole,) = KIND.questions(chat, chatty.tokenizer, 50)
    asked = len(whole["input_ids"])
    assert KIND.questions(chat, chatty.tokenizer, asked + 3) == [whole]
    with pytest.raises(InputError, match=naming(f"{asked} tokens", f"at most {asked - 1}", "up to 3")):
        KIND.questions(chat, chatty.tokenizer, asked + 2)
    (cut,) = KIND.questions(text, chatty.tokenizer, 5)
    assert len(cut["input_ids"]) == 2, "a text by itself is cut, as those of the training were"


def test_the_loss_is_that_of_the_answer_s_tokens_alone(backbone: Backbone) -> None:
    model, lm, rows = untrained(backbone), lm_of(backbone), rows_of(5)
    encoded = KIND.encode(rows, backbone.tokenizer, 20)
    batch = KIND.collate(backbone.tokenizer)(encoded)
    assert batch["labels"].eq(IGNORED).any(dim=1).all()
    by_hand = []
    with torch.inference_mode():
        loss, wanted = model(**batch)["loss"], lm(**batch).loss  # transformers shifts and masks by itself
        for row in encoded:  # one by one, without padding
            logits = lm(input_ids=torch.tensor([row["input_ids"]])).logits[0].log_softmax(dim=-1)
            positions = [position for position, label in enumerate(row["labels"]) if label != IGNORED]
            by_hand += [-float(logits[position - 1, row["input_ids"][position]]) for position in positions]
    assert len(by_hand) == 3 + 2 + 3 + 2 + 3, "the words of each answer and its end"
    torch.testing.assert_close(loss, wanted, rtol=1e-5, atol=1e-5)
    assert float(loss) == pytest.approx(np.mean(by_hand), rel=1e-5)


def test_the_answers_are_those_of_transformers_own_generate(backbone: Backbone) -> None:
    model, lm, rows = untrained(backbone), lm_of(backbone), rows_of(BATCH_SIZE + 9)
    answers = KIND.answers(model, rows, backbone.tokenizer, 20)
    ends, stopped = end_tokens(backbone.tokenizer), 0
    for text, answer in zip(rows["text"][:], answers, strict=True):
        ids = torch.tensor([ids_of(prompts([text], backbone.tokenizer)[0], backbone)])
        output = lm.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=6,
            do_sample=False,
            eos_token_id=[*ends],
            pad_token_id=0,
            output_logits=True,
            return_dict_in_generate=True,
        )
        new = output.sequences[0, ids.shape[1] :].tolist()
        assert answer.tokens.tolist() == new
        likelihoods = [
            float(logits[0].log_softmax(-1)[token]) for logits, token in zip(output.logits, new, strict=True)
        ]
        np.testing.assert_allclose(answer.likelihoods, likelihoods, rtol=1e-4, atol=1e-5)
        assert answer.text == backbone.tokenizer.decode(new, skip_special_tokens=True).strip()
        stopped += len(new) < 6
    assert 0 < stopped < len(answers), stopped


@pytest.mark.parametrize("method", ["lora", "prompt"])
def test_what_is_generated_is_heard_token_by_token(method: str, plain: Backbone) -> None:
    model = Adaptation(plain, method, METHODS.get(method).settings(), "fp32").fresh("causal-lm", 0, seed=0)
    heard: list[list[int]] = []
    options = AnswerOptions(hear=lambda tokens: not heard.append([*tokens]))
    (answer,) = KIND.answers(model, with_options(rows_of(1), options), plain.tokenizer, 20)
    assert heard == [answer.tokens.tolist()[: length + 1] for length in range(len(answer.tokens))]
    (short,) = KIND.answers(model, with_options(rows_of(1), AnswerOptions(hear=lambda _: False)), plain.tokenizer, 20)
    assert short.tokens.tolist() == answer.tokens.tolist()[:1], "who wants no more gets no more"
    assert not short.complete


def test_an_answer_stops_at_texts_and_at_fewer_tokens_than_its_task_allows(plain: Backbone) -> None:
    model, rows = untrained(plain), rows_of(3, limit=6)
    longest = KIND.answers(model, rows, plain.tokenizer, 20)
    words = longest[1].text.split()
    asked = {"stop": AnswerOptions(stop=(words[2], "not in it")), "tokens": AnswerOptions(tokens=2)}
    stopped, short = (
        KIND.answers(model, with_options(rows, options), plain.tokenizer, 20) for options in asked.values()
    )
    assert stopped[1].text == longest[1].text.partition(words[2])[0].strip()
    assert stopped[1].complete
    assert [answer.tokens.tolist() for answer in short] == [answer.tokens.tolist()[:2] for answer in longest]
    assert [answer.complete for answer in short] == [len(answer.tokens) < 2 for answer in longest]
    assert [len(answer.question) for answer in short] == [
        len(row["input_ids"]) for row in KIND.questions(rows, plain.tokenizer, 20)
    ], "fewer tokens for the answer cut no more of the question"


def test_an_answer_ends_at_its_end_token_and_at_its_own_limit(plain: Backbone) -> None:
    model, rows = untrained(plain), rows_of(12, limit=6)
    longest = KIND.answers(model, rows, plain.tokenizer, 20)
    limits = [1 + i % 6 for i in range(12)]
    mixed = rows.remove_columns("max_new_tokens").add_column("max_new_tokens", limits)
    for answer, whole, limit in zip(KIND.answers(model, mixed, plain.tokenizer, 20), longest, limits, strict=True):
        assert answer.tokens.tolist() == whole.tokens.tolist()[:limit]
        assert len(answer.likelihoods) == len(answer.tokens)
    ends = whole.tokens.tolist()[2]  # the third token of the last answer ends it, if it is the end token
    plain_end = open_backbone(str(plain.folder))
    plain_end.tokenizer.eos_token = plain.tokenizer.convert_ids_to_tokens(int(ends))
    stopped = KIND.answers(model, rows, plain_end.tokenizer, 20)[-1]
    wanted = whole.tokens.tolist()
    assert stopped.tokens.tolist() == wanted[: wanted.index(ends) + 1]


def test_an_answer_also_ends_at_the_end_of_text_that_other_trainers_teach(chatty: Backbone) -> None:
    model, rows = untrained(chatty), rows_of(12, limit=6)
    whole = KIND.answers(model, rows, chatty.tokenizer, 30)[-1].tokens.tolist()
    third = open_backbone(str(chatty.folder)).tokenizer
    third.eos_token = chatty.tokenizer.convert_ids_to_tokens(whole[2])
    assert end_tokens(third) == (end_token(chatty.tokenizer), whole[2]) and end_token(third) != whole[2]
    assert KIND.answers(model, rows, third, 30)[-1].tokens.tolist() == whole[: whole.index(whole[2]) + 1]


def test_whoever_asks_may_say_which_answers_have_ended(plain: Backbone) -> None:
    ids = torch.tensor([ids_of(text, plain) for text in ("the cat", "one dog")])
    asked = (lm_of(plain), ids, torch.ones_like(ids), 6, (1,), 0)
    whole, _ = generate(*asked)
    tokens, likelihoods = generate(*asked, ended=lambda new: torch.tensor([new.shape[1] >= 2, new.shape[1] >= 4]))
    assert tokens.shape == likelihoods.shape == (2, 4)
    assert tokens[0].tolist() == [*whole[0, :2].tolist(), 0, 0], "what comes after the end is padding"
    assert tokens[1].tolist() == whole[1, :4].tolist()


def test_outcomes_tell_what_was_answered_and_how_likely_the_right_answer_was(plain: Backbone) -> None:
    model, lm, rows = untrained(plain), lm_of(plain), rows_of(4)
    evaluation = evaluate(model, rows, 0, plain.tokenizer, 20)
    for index, row in enumerate(KIND.encode(rows, plain.tokenizer, 20)):
        with torch.inference_mode():
            logits = lm(input_ids=torch.tensor([row["input_ids"]])).logits[0].log_softmax(dim=-1)
        positions = [position for position, label in enumerate(row["labels"]) if label != IGNORED]
        by_hand = np.mean([float(logits[position - 1, row["input_ids"][position]]) for position in positions])
        assert evaluation.outcomes["log_likelihood"][index] == pytest.approx(by_hand, rel=1e-4)
    answers = KIND.answers(model, rows, plain.tokenizer, 20)
    assert evaluation.outcomes["prediction"].tolist() == [answer.text for answer in answers]
    wanted = [np.exp(answer.likelihoods.astype(float).mean()) for answer in answers]
    np.testing.assert_allclose(evaluation.outcomes["confidence"], wanted, rtol=1e-6)
    assert evaluation.outcomes["answer"].tolist() == rows["answer"][:]
    assert evaluation.logits_sha256 == KIND.digest(answers)


def test_each_row_is_judged_as_it_says() -> None:
    texts = ["so 4", "so 4", "so 4"]
    metrics = ["exact-match", "numeric-match", "rouge-l"]
    rows = Dataset.from_dict({"id": ["a", "b", "c"], "answer": ["4"] * 3, "metric": metrics})
    zero = np.zeros(1, dtype=np.float32)
    outcomes = KIND.outcomes(rows, [Answer(text, np.ones(1, dtype=np.int64), zero, zero) for text in texts])
    assert outcomes["score"].tolist() == [0.0, 1.0, pytest.approx(2 / 3)]
    assert outcomes["correct"].tolist() == [False, True, False]
    scores = KIND.scores(outcomes, 0)
    assert scores["score"] == pytest.approx(5 / 9)
    assert (scores["exact_match"], scores["numeric_match"]) == (0.0, 1.0)
    assert KIND.majority(rows, rows) == 1.0


def test_the_digest_sees_one_changed_weight(plain: Backbone, copying: Task) -> None:
    rows, model = copying.splits["test"], untrained(plain)
    first = evaluate(model, rows, 0, plain.tokenizer, LENGTH).logits_sha256
    assert evaluate(untrained(plain), rows, 0, plain.tokenizer, LENGTH).logits_sha256 == first
    with torch.no_grad():
        next(iter(model.body.parameters()))[SUBJECTS.index("cat") + 5, 0] += 1e-3
    assert evaluate(model, rows, 0, plain.tokenizer, LENGTH).logits_sha256 != first


def test_the_model_is_left_in_its_mode(plain: Backbone, copying: Task) -> None:
    model = untrained(plain).train()
    evaluate(model, copying.splits["test"], 0, plain.tokenizer, LENGTH)
    assert model.training
    assert all(module.training for module in model.body.modules())


def test_features_are_those_of_the_prompt(plain: Backbone) -> None:
    rows = rows_of(5)
    vectors = features(untrained(plain), rows, plain.tokenizer, 20)
    with torch.inference_mode():
        ids = torch.tensor([ids_of(rows["text"][2], plain)])
        wanted = plain.load()(input_ids=ids).last_hidden_state[0, -1]  # pooling is the last token
    np.testing.assert_allclose(vectors[2], wanted.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("method", "learning_rate"), [("lora", 3e-2), ("full", 1e-2)])
def test_a_tiny_model_learns_to_copy(plain: Backbone, copying: Task, method: str, learning_rate: float) -> None:
    adaptation = adapted(plain, method, learning_rate=learning_rate)
    model = adaptation.fresh("causal-lm", 0, seed=0)
    budget = Budget(epochs=20, batch_size=8, max_length=LENGTH, precision="fp32")
    before = evaluate(model, copying.splits["test"], 0, plain.tokenizer, LENGTH).scores["score"]
    record = fit(model, copying, adaptation, budget, 0, Silent(), "test")
    after = evaluate(model, copying.splits["test"], 0, plain.tokenizer, LENGTH)
    assert before < 0.2
    assert after.scores["score"] > 0.8
    assert record.validation == record.epochs[record.best_epoch - 1].validation > 0.8
    assert after.scores["score"] == after.outcomes["correct"].mean()


def test_tasks_of_one_kind_can_be_mixed(plain: Backbone, copying: Task) -> None:
    rows = concatenate_datasets([copying.splits["test"], rows_of(3)])
    together = evaluate(untrained(plain), rows, 0, plain.tokenizer, 24).outcomes
    assert together["id"].tolist() == rows["id"]
    apart = [
        evaluate(untrained(plain), part, 0, plain.tokenizer, 24).outcomes
        for part in (copying.splits["test"], rows_of(3))
    ]
    alone = pd.concat(apart, ignore_index=True)
    assert together["prediction"].tolist() == alone["prediction"].tolist(), "an answer does not depend on its batch"
    assert together["correct"].tolist() == alone["correct"].tolist(), "each is judged by its own metric"


def test_what_cannot_be_done_is_said(plain: Backbone, bert: Path, copying: Task) -> None:
    with pytest.raises(InputError, match=naming("head", "llama for causal-lm")):
        adapted(plain, "head").fresh("causal-lm", 0, seed=0)
    with pytest.raises(InputError, match=naming("(BertModel)", "causal language model")):
        adapted(open_backbone(str(bert))).fresh("causal-lm", 0, seed=0)
    adaptation = adapted(plain)
    with pytest.raises(InputError, match=naming("causal-lm", "classes to balance")):
        balanced = Budget(epochs=1, max_length=LENGTH, balanced=True)
        fit(adaptation.fresh("causal-lm", 0, 0), copying, adaptation, balanced, 0, Silent(), "test")


def test_logits_that_are_no_linear_layer_are_refused(plain: Backbone, tmp_path: Path) -> None:
    from transformers import GraniteConfig, GraniteForCausalLM

    folder = shutil.copytree(plain.folder, tmp_path / "granite")
    torch.manual_seed(0)
    shape = {"vocab_size": 31, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4}
    config = GraniteConfig(**shape, num_key_value_heads=2, intermediate_size=64, logits_scaling=8.0)
    GraniteForCausalLM(config).save_pretrained(folder)
    with pytest.raises(InputError, match="compute its logits"):
        output_layer(open_backbone(str(folder)))


def test_a_checkpoint_without_an_output_layer_is_refused(plain: Backbone, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(plain.folder, tmp_path / "headless")
    tensors = load_file(folder / "model.safetensors")
    del tensors["lm_head.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lm_head\.weight is missing"):
        output_layer(open_backbone(str(folder)))


# One stored adapter for each library, template and arithmetic; the README's program answers the same without us.
CASES = [
    ("lora", "plain", "fp32"),
    ("lora", "chatty", "bf16"),
    ("pfeiffer", "chatty", "fp32"),
    ("full", "plain", "fp32"),
    ("prefix", "chatty", "fp32"),
    ("lora+pfeiffer", "plain", "fp32"),
    ("in-context", "plain", "fp32"),
    ("in-context", "chatty", "fp32"),
]
RUNNER = """
import json, sys
jobs = json.load(open(sys.argv[1], encoding="utf-8"))
told = []
for job in jobs:
    space = {name: job[name] for name in ("backbone", "folder", "texts")}
    exec(compile(job["program"], "README.md", "exec"), space)
    told.append(space["answers"])
print("TOLD", json.dumps([told, sorted(name for name in sys.modules if name == "adapter_workbench")]))
"""


@pytest.mark.acceptance
def test_the_readme_s_programs_answer_the_same(copying: Task, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    store, jobs, wanted = AdapterStore(tmp_path / "store"), [], []
    rows = copying.splits["test"].select(range(8))
    for method, name, precision in CASES:
        backbone: Backbone = request.getfixturevalue(name)
        settings = METHODS.get(method).settings(learning_rate=1e-2)
        budget = Budget(epochs=2, batch_size=8, max_length=64, precision=precision)
        lesson = Lesson(copying, Adaptation(backbone, method, settings, precision), budget, seed=0)
        stored = learn(lesson, store, Silent(), "test")
        assert "head.safetensors" not in stored.manifest.files
        assert set(stored.manifest.metrics) == {"validation_score"}
        assert (stored.manifest.task.metric, stored.manifest.task.max_new_tokens) == ("exact-match", 4)
        model = open_adapter(stored, backbone)
        answers = model.kind.answers(model, rows, backbone.tokenizer, 64)
        wanted.append([answer.text for answer in answers])
        readme = (stored.folder / "README.md").read_text(encoding="utf-8")
        jobs.append(
            {
                "program": readme.partition("```python\n")[2].partition("```")[0],
                "backbone": str(backbone.folder),
                "folder": str(stored.folder),
                "texts": rows["text"][:],
            }
        )
    assert len({str(texts) for texts in wanted}) > 1, "the adapters differ"
    (tmp_path / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    (tmp_path / "runner.py").write_text(RUNNER, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "runner.py", "jobs.json"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed, imported = json.loads(done.stdout.splitlines()[-1].removeprefix("TOLD "))
    assert printed == wanted
    assert imported == []


def test_a_row_that_says_nothing_is_judged_by_exact_match(plain: Backbone) -> None:
    rows = Dataset.from_dict({"text": ["cat"]})  # as `workbench predict` asks: no answer, no metric
    (answer,) = KIND.answers(untrained(plain), rows, plain.tokenizer, 40)
    assert answer.wanted is None
    assert len(answer.tokens) <= 32
    assert KIND.say([answer], ()) == [(answer.text, pytest.approx(np.exp(answer.likelihoods.mean()), rel=1e-5))]


def test_another_metric_is_another_task(copying: Task) -> None:
    train = copying.splits["train"].remove_columns("metric").add_column("metric", ["rouge-l"] * 96)
    assert copying.metric == "exact-match"
    assert replace(copying, splits={**copying.splits, "train": train}).metric == "rouge-l"
    assert copying.max_new_tokens == 4
