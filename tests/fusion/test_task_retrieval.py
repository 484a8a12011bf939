"""Retrieval by task: the formula, the sources alone, their average, and prompts that keep their LoRAs."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft.tuners.lora import LoraLayer
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModel, GenerationConfig

from adapter_workbench.fusion.composing.fuse import fuse, keep_composition
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.target.composition import Request
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.backbone.generation import language_model
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.backbone.transformers_api import cache_name
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.libraries.retrieval import LIBRARY, RetrievalSettings, Retriever
from adapter_workbench.workbench.methods.libraries.retrieval import TASKS as EMBEDDINGS
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.sampling import stratified_sample
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson, learn
from tests.conftest import toy
from tests.fusion_sources import TASKS, hidden, train_sources

NAME = "task-retrieval"
BERT_TEXTS = ["the cat often", "a plum very really quite", "horse"]
PROMPTS = ["the cat really", "some very often quite horse", "a plum"]
Batch = dict[str, Tensor]


def composed(asked: Request, **settings: Any) -> Any:
    card = COMPOSITIONS.get(NAME)
    return card.compose(asked, card.settings(**settings)).body


def tokens(backbone: Backbone, texts: list[str]) -> Batch:
    return dict(backbone.tokenizer(texts, padding=True, return_tensors="pt"))


def states(body: Any, batch: Batch) -> Tensor:
    with torch.no_grad():
        hidden: Tensor = body(**batch).last_hidden_state
    return hidden


def pooled(reader: Any, batch: Batch) -> Tensor:
    """Return the mean of each row's states, row by row and without padding: (batch, h)."""
    rows = [
        {name: values[row : row + 1][:, mask.bool()] for name, values in batch.items()} for row, mask in _masks(batch)
    ]
    return torch.stack([states(reader, row)[0].mean(dim=0) for row in rows])


def _masks(batch: Batch) -> list[tuple[int, Tensor]]:
    return list(enumerate(batch["attention_mask"]))


def cosines(embeddings: Tensor, tasks: Tensor) -> Tensor:
    return torch.stack([torch.stack([torch.cosine_similarity(q, t, dim=0) for t in tasks]) for q in embeddings])


@pytest.fixture
def bare(bert: Path) -> Any:
    return AutoModel.from_pretrained(bert).eval()


def test_shares_are_a_softmax_over_the_nearest_or_all_equal() -> None:
    tasks = torch.tensor([[1.0, 0.0], [0.0, 3.0], [0.6, 0.8]])
    asked = torch.tensor([[2.0, 0.0], [0.0, 1.0]])  # cosines 1, 0, 0.6 and 0, 1, 0.8
    config = RetrievalSettings(top_k=2, temperature=0.5, weighted=True)
    near, far = (1 / (1 + torch.tensor(-gap / 0.5).exp()) for gap in (0.4, 0.2))
    wanted = torch.tensor([[near, 0, 1 - near], [0, far, 1 - far]])
    torch.testing.assert_close(Retriever("abc", tasks, config).shares(asked), wanted)
    equal = torch.tensor([[0.5, 0, 0.5], [0, 0.5, 0.5]])
    assert torch.equal(Retriever("abc", tasks, replace(config, weighted=False)).shares(asked), equal)
    thirds = Retriever("abc", tasks, replace(config, weighted=False, top_k=9)).shares(asked)
    torch.testing.assert_close(thirds, torch.full((2, 3), 1 / 3))


def test_a_task_is_the_mean_of_its_validation_prompts(request_: Request, backbone: Backbone, bare: Any) -> None:
    for examples in (4, 1000):
        means = composed(request_, examples=examples).retriever.tasks
        for row, task in enumerate(TASKS):
            rows = stratified_sample(task.splits["validation"], examples, request_.seed)
            assert len(rows) == min(examples, 16)
            wanted = pooled(bare, tokens(backbone, rows["text"][:])).mean(dim=0)
            torch.testing.assert_close(means[row], wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("half", "tolerance"), [(False, 1e-6), (True, 1e-2)])
def test_with_one_lora_a_text_is_answered_as_by_that_source_alone(
    request_: Request, backbone: Backbone, bare: Any, half: bool, tolerance: float
) -> None:
    body, batch = composed(request_, top_k=1), tokens(backbone, BERT_TEXTS)
    body.retriever.tasks.copy_(pooled(bare, batch)[[2, 0, 1]])  # the text of row i is the second's, third's, first's
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        actual = states(body, batch)
        alone = [states(open_adapter(source, backbone).body, batch) for source in request_.sources]
    for row, index in enumerate([1, 2, 0]):
        torch.testing.assert_close(actual[row], alone[index][row], atol=tolerance, rtol=0)
        others = [theirs[row] for other, theirs in enumerate(alone) if other != index]
        assert all(float((actual[row] - theirs).abs().max()) > 2 * tolerance for theirs in others), "they differ"


def test_every_module_adds_what_each_row_s_shares_say(request_: Request, backbone: Backbone, bare: Any) -> None:
    body, batch = composed(request_, top_k=2, temperature=0.05), tokens(backbone, BERT_TEXTS)
    seen: list[tuple[Any, Tensor, Tensor]] = []
    for layer in (module for module in body.modules() if isinstance(module, LoraLayer)):
        layer.register_forward_hook(lambda layer, given, output: seen.append((layer, given[0], output.clone())))
    states(body, batch)
    similarities = cosines(pooled(bare, batch), body.retriever.tasks)
    third = similarities.sort(dim=1).values[:, :1]
    shares = (similarities / 0.05).masked_fill(similarities <= third, float("-inf")).softmax(dim=1)
    assert not torch.allclose(shares[0], shares[1], atol=1e-3), "each row has its own"
    assert len(seen) == 2 * 4
    with torch.no_grad():
        for layer, x, output in seen[:4]:
            assert torch.equal(output, layer.base_layer(x)), "the backbone alone reads the prompts"
        for layer, x, output in seen[4:]:
            wanted = layer.base_layer(x)
            for column, name in enumerate(body.retriever.names):
                update = layer.scaling[name] * layer.lora_B[name].weight @ layer.lora_A[name].weight
                wanted = wanted + shares[:, column, None, None] * (x @ update.T)
            torch.testing.assert_close(output, wanted, atol=1e-4, rtol=1e-4)


def test_equal_shares_of_all_are_the_average(request_: Request, backbone: Backbone, tmp_path: Path) -> None:
    average = COMPOSITIONS.get("average")
    mean = average.compose(request_, average.settings()).body
    torch.testing.assert_close(hidden(composed(request_, weighted=False)), hidden(mean), atol=1e-5, rtol=1e-5)

    (other,) = train_sources(backbone, tmp_path, "lora", count=1, rank=2, targets=("key", "output.dense"))
    mixed = replace(request_, sources=(request_.sources[0], other))  # other modules, another rank
    mean = average.compose(mixed, average.settings()).body
    torch.testing.assert_close(hidden(composed(mixed, weighted=False)), hidden(mean), atol=1e-5, rtol=1e-5)


def test_a_text_is_answered_alike_alone_and_in_a_batch(request_: Request, backbone: Backbone) -> None:
    body, batch = composed(request_, top_k=2, temperature=0.05), tokens(backbone, BERT_TEXTS)
    together = states(body, batch)
    for row, mask in _masks(batch):
        alone = {name: values[row : row + 1][:, mask.bool()] for name, values in batch.items()}
        torch.testing.assert_close(together[row][mask.bool()], states(body, alone)[0], atol=1e-5, rtol=1e-5)


def test_it_is_stored_and_answers_for_its_target_without_data(
    request_: Request, backbone: Backbone, tmp_path: Path
) -> None:
    card = COMPOSITIONS.get(NAME)
    fused = fuse(NAME, request_, card.settings(top_k=2))
    states_before = hidden(fused.model.body)
    stored = keep_composition("retrieved", fused, NAME, request_, card.settings(top_k=2), AdapterStore(tmp_path))
    assert sorted(path.name for path in stored.folder.glob("task_*")) == ["task_0", "task_1", "task_2"]
    model = open_adapter(stored, backbone)
    assert torch.equal(hidden(model.body), states_before)
    assert not model.trainable().keys() - {"head.weight", "head.bias"}

    space: dict[str, Any] = {"backbone": str(backbone.folder), "folder": str(stored.folder), "texts": BERT_TEXTS}
    exec(_program(stored.folder), space)
    wanted = model.kind.answers(model, Dataset.from_dict({"text": BERT_TEXTS}), backbone.tokenizer, 16)
    torch.testing.assert_close(space["logits"], torch.tensor(wanted), atol=1e-4, rtol=1e-4)


def _program(folder: Path) -> str:
    return (folder / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]


@pytest.mark.parametrize("shape", [(2, 32), (3, 31)])
def test_embeddings_that_are_not_one_for_each_lora_are_refused(
    request_: Request, backbone: Backbone, tmp_path: Path, shape: tuple[int, int]
) -> None:
    LIBRARY.save(composed(request_), tmp_path)
    save_file({"tasks": torch.ones(shape)}, tmp_path / EMBEDDINGS)
    adaptation = Adaptation(backbone, NAME, METHODS.get(NAME).settings(), "fp32")
    with pytest.raises(InputError, match=f"3 × 32 numbers for their tasks, not {shape[0]} × {shape[1]}"):
        adaptation.load(tmp_path, torch.nn.Identity(), "classification")


def test_what_cannot_be_retrieved_is_refused(request_: Request, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="chooses among two or more LoRAs, got 1"):
        composed(replace(request_, sources=request_.sources[:1]))
    first, second, third = TASKS
    known = {first.name: first, second.name: replace(second, fingerprint="other data")}
    with pytest.raises(InputError) as caught:
        composed(replace(request_, source_tasks=known))
    assert f"'{first.name}'" not in str(caught.value)
    for task in (second, third):
        assert f"no task '{task.name}' with the data that {task.name}-lora" in str(caught.value)

    dora = shutil.copytree(request_.sources[0].folder, tmp_path / "dora")
    config = json.loads((dora / "adapter_config.json").read_text(encoding="utf-8"))
    (dora / "adapter_config.json").write_text(json.dumps({**config, "use_dora": True}), encoding="utf-8")
    with pytest.raises(InputError, match="DoRA"):
        composed(replace(request_, sources=(replace(request_.sources[0], folder=dora), *request_.sources[1:])))


@pytest.fixture(scope="module", params=["causal-lm", "seq2seq"])
def speaking(
    request: pytest.FixtureRequest, llama: Path, t5: Path, copying: Task, tmp_path_factory: pytest.TempPathFactory
) -> Request:
    """Two LoRAs of a model that answers in words."""
    kind = request.param
    backbone = open_backbone(str(llama if kind == "causal-lm" else t5))
    budget = Budget(train_examples=16, eval_examples=4, epochs=2, batch_size=8, max_length=16, precision="fp32")
    adaptation = Adaptation(backbone, "lora", METHODS.get("lora").settings(learning_rate=2e-2), "fp32")
    tasks = [replace(copying, kind=kind), toy(kind)]
    store = AdapterStore(tmp_path_factory.mktemp("speaking"))
    sources = tuple(learn(Lesson(task, adaptation, budget, 0), store, Silent(), "source") for task in tasks)
    known = {task.name: task for task in tasks}
    return Request(sources, tasks[0], backbone, "fp32", budget, 0, Silent(), "test", source_tasks=known)


def rows_of(prompts: list[str], **more: list[str]) -> Dataset:
    return Dataset.from_dict({"text": prompts, "max_new_tokens": [4] * len(prompts), **more})


def retrieving(asked: Request, **settings: Any) -> Any:
    return fuse(NAME, asked, COMPOSITIONS.get(NAME).settings(**settings)).model


def test_a_prompt_is_answered_by_its_nearest_task_s_lora_alone(speaking: Request) -> None:
    model, tokenizer = retrieving(speaking, top_k=1), speaking.backbone.tokenizer
    rows = rows_of(PROMPTS, answer=["cat", "horse", "plum"])
    bare = AutoModel.from_pretrained(speaking.backbone.folder).eval()
    reader = bare.get_encoder() if bare.config.is_encoder_decoder else bare
    asked = [torch.tensor([row["input_ids"]]) for row in model.kind.questions(rows, tokenizer, 16)]
    prompts = torch.stack([states(reader, {"input_ids": ids})[0].mean(dim=0) for ids in asked])
    model.body.retriever.tasks.copy_(prompts[[1, 0]])
    nearest = cosines(prompts, prompts[[1, 0]]).argmax(dim=1).tolist()
    assert nearest[:2] == [1, 0]
    alone = [open_adapter(source, speaking.backbone) for source in speaking.sources]
    theirs = [model_alone.kind.answers(model_alone, rows, tokenizer, 16) for model_alone in alone]
    for row, answer in enumerate(model.kind.answers(model, rows, tokenizer, 16)):
        wanted, other = theirs[nearest[row]][row], theirs[1 - nearest[row]][row]
        assert answer.tokens.tolist() == wanted.tokens.tolist()
        torch.testing.assert_close(
            torch.tensor(answer.likelihoods), torch.tensor(wanted.likelihoods), atol=1e-5, rtol=0
        )
        torch.testing.assert_close(torch.tensor(answer.wanted), torch.tensor(wanted.wanted), atol=1e-5, rtol=0)
        assert abs(answer.wanted - other.wanted).max() > 1e-3, "the sources differ"


def test_it_generates_with_a_cache_what_it_says_without(speaking: Request) -> None:
    model, tokenizer = retrieving(speaking, temperature=0.01), speaking.backbone.tokenizer
    rows = rows_of(PROMPTS)
    answers = model.kind.answers(model, rows, tokenizer, 16)
    for asked, answer in zip(model.kind.questions(rows, tokenizer, 16), answers, strict=True):
        prompt, tokens = asked["input_ids"], answer.tokens.tolist()
        ids = torch.tensor([prompt])
        given: Batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if model.body.config.is_encoder_decoder:
            given["decoder_input_ids"] = torch.tensor([[model.body.config.decoder_start_token_id, *tokens[:-1]]])
        else:
            ids = torch.tensor([[*prompt, *tokens[:-1]]])
            question = torch.tensor([[1] * len(prompt) + [0] * (len(tokens) - 1)])
            given = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "question": question}
        with torch.inference_mode():
            likelihoods, best = model.head(model.states(**given)[0, -len(tokens) :]).log_softmax(dim=-1).max(dim=-1)
        assert best.tolist() == tokens
        torch.testing.assert_close(likelihoods, torch.tensor(answer.likelihoods), atol=1e-3, rtol=0)


def test_answers_have_no_part_in_the_choice(speaking: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = retrieving(speaking), speaking.backbone.tokenizer
    asked: list[Tensor] = []
    own = model.body.retriever.shares

    def shares(embeddings: Tensor) -> Tensor:
        asked.append(embeddings)
        shares_of: Tensor = own(embeddings)
        return shares_of

    monkeypatch.setattr(model.body.retriever, "shares", shares)
    rows = rows_of(PROMPTS, answer=["cat", "horse", "plum"])
    model.kind.answers(model, rows, tokenizer, 16)
    learned = sorted(model.kind.encode(rows, tokenizer, 16), key=lambda row: -len(row["input_ids"]))
    model(**model.kind.collate(tokenizer)(learned))
    generating, telling, learning = asked  # prompts to go on with; twice the right answers behind them
    torch.testing.assert_close(telling, generating, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(learning, generating, atol=1e-5, rtol=1e-5)


def test_a_model_that_answers_in_words_comes_back(speaking: Request, tmp_path: Path) -> None:
    card, tokenizer = COMPOSITIONS.get(NAME), speaking.backbone.tokenizer
    fused = fuse(NAME, speaking, card.settings())
    assert fused.head == "the backbone's own"
    rows = rows_of(PROMPTS, answer=["cat", "horse", "plum"])
    answers = fused.model.kind.answers(fused.model, rows, tokenizer, 16)
    stored = keep_composition("retrieved", fused, NAME, speaking, card.settings(), AdapterStore(tmp_path))
    model = open_adapter(stored, speaking.backbone)
    assert model.kind.digest(model.kind.answers(model, rows, tokenizer, 16)) == model.kind.digest(answers)

    folders = {"backbone": str(speaking.backbone.folder), "folder": str(stored.folder)}
    space: dict[str, Any] = {**folders, "texts": PROMPTS}
    exec(_program(stored.folder), space)
    assert space["answers"] == [answer.text for answer in answers]


def test_the_beams_of_a_prompt_keep_its_loras(speaking: Request) -> None:
    if speaking.backbone.config.is_encoder_decoder:
        pytest.skip("the workbench decodes these greedily itself")
    model = retrieving(speaking, temperature=0.01)
    lm = language_model(model)
    lm.generation_config = GenerationConfig(num_beams=2, max_new_tokens=3, do_sample=False, pad_token_id=0)

    def say(ids: list[list[int]]) -> list[list[int]]:
        longest = max(map(len, ids))
        padded = torch.tensor([[0] * (longest - len(row)) + row for row in ids])
        generated: Tensor = lm.generate(input_ids=padded, attention_mask=(padded != 0).long())
        return generated[:, longest:].tolist()

    prompts = [row["input_ids"] for row in model.kind.questions(rows_of(PROMPTS), speaking.backbone.tokenizer, 16)]
    assert say(prompts) == [text for prompt in prompts for text in say([prompt])]


def test_tokens_that_go_on_with_other_prompts_are_refused(speaking: Request) -> None:
    body, twin = composed(speaking), composed(speaking)
    ids = torch.tensor([[7, 8, 9], [9, 8, 7]])
    mask, decoding = torch.ones_like(ids), body.config.is_encoder_decoder
    start = {"decoder_input_ids": ids[:, :1]} if decoding else {}
    with torch.inference_mode():
        output = body(input_ids=ids, attention_mask=mask, use_cache=True, **start)
        further: dict[str, Any] = {cache_name(): output[cache_name()], "use_cache": True}
        if decoding:
            further |= {"encoder_outputs": (output.encoder_last_hidden_state,), "attention_mask": mask}
        name = "decoder_input_ids" if decoding else "input_ids"
        with pytest.raises(InputError, match="4 rows for 2 prompts"):
            body(**further, **{name: ids[:, :1].repeat_interleave(2, dim=0)})
        with pytest.raises(InputError, match=r"prompts .*has not read"):
            twin(**further, **{name: ids[:, :1]})
