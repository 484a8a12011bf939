"""The data sets of published benchmarks, tiny, in folders laid out as their repositories on the hub are.

Columns, class names and splits are those of the data cards, written down apart from the task files that read them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import datasets
import yaml
from datasets import ClassLabel, Dataset, Features, Value

from tests.tiny_models import WORDS

YAHOO = """Society & Culture,Science & Mathematics,Health,Education & Reference,Computers & Internet,Sports
Business & Finance,Entertainment & Music,Family & Relationships,Politics & Government"""
DBPEDIA = """Company,EducationalInstitution,Artist,Athlete,OfficeHolder,MeanOfTransportation,Building
NaturalPlace,Village,Animal,Plant,Album,Film,WrittenWork"""
LEARNED, OPEN, HIDDEN = 48, 24, -1  # rows of a split to train on and of one with labels; a split without labels
GLUE = {"train": LEARNED, "validation": OPEN, "test": HIDDEN}


@dataclass(frozen=True)
class Card:
    """A configuration of a data set: columns of text, that of labels and its classes, split → rows.

    Attributes:
        form: parquet with class numbers; numbers of 32 bits in parquet; csv with numbers from 1 on; jsonl with names.
    """

    texts: str
    label: str
    classes: tuple[str, ...]
    splits: dict[str, int]
    form: str = "parquet"


def _named(text: str) -> tuple[str, ...]:
    return tuple(text.replace("\n", ",").split(","))


def _plain(train: int = LEARNED) -> dict[str, int]:
    return {"train": train, "test": OPEN}


CARDS: dict[tuple[str, str | None], Card] = {
    ("fancyzhx/ag_news", None): Card("text", "label", _named("World,Sports,Business,Sci/Tech"), _plain(2048)),
    ("fancyzhx/dbpedia_14", None): Card("title content", "label", _named(DBPEDIA), _plain(7048)),
    ("community-datasets/yahoo_answers_topics", None): Card(
        "question_title question_content best_answer", "topic", _named(YAHOO), _plain(10048)
    ),
    ("yassiracharki/Amazon_Reviews_for_Sentiment_Analysis_fine_grained_5_classes", None): Card(
        "review_title review_text", "class_index", _named("1,2,3,4,5"), _plain(10048), "csv"
    ),
    ("Yelp/yelp_review_full", None): Card(
        "text", "label", _named("1 star,2 star,3 stars,4 stars,5 stars"), _plain(5048)
    ),
    ("stanfordnlp/imdb", None): Card("text", "label", _named("neg,pos"), _plain()),
    ("nyu-mll/glue", "cola"): Card("sentence", "label", _named("unacceptable,acceptable"), GLUE),
    ("nyu-mll/glue", "sst2"): Card("sentence", "label", _named("negative,positive"), GLUE),
    ("nyu-mll/glue", "mrpc"): Card("sentence1 sentence2", "label", _named("not_equivalent,equivalent"), GLUE),
    ("nyu-mll/glue", "rte"): Card("sentence1 sentence2", "label", _named("entailment,not_entailment"), GLUE),
    ("nyu-mll/glue", "qnli"): Card("question sentence", "label", _named("entailment,not_entailment"), GLUE),
    ("nyu-mll/glue", "stsb"): Card("sentence1 sentence2", "label", _named("3.8,5.0,0.25"), GLUE, "numbers"),
    ("nyu-mll/glue", "qqp"): Card("question1 question2", "label", _named("not_duplicate,duplicate"), GLUE),
    ("nyu-mll/glue", "mnli"): Card(
        "premise hypothesis",
        "label",
        _named("entailment,neutral,contradiction"),
        {"train": 2 * LEARNED, "validation_matched": OPEN, "validation_mismatched": OPEN, "test_matched": HIDDEN},
    ),
    ("aps/super_glue", "boolq"): Card("question passage", "label", _named("False,True"), GLUE),
    ("aps/super_glue", "cb"): Card("premise hypothesis", "label", _named("entailment,contradiction,neutral"), GLUE),
    ("aps/super_glue", "copa"): Card("premise choice1 choice2 question", "label", _named("choice1,choice2"), GLUE),
    ("aps/super_glue", "multirc"): Card("paragraph question answer", "label", _named("False,True"), GLUE),
    ("aps/super_glue", "wic"): Card("word sentence1 sentence2", "label", _named("False,True"), GLUE),
}


def with_intents(intents: tuple[str, ...], questions: tuple[str, ...]) -> dict[tuple[str, str | None], Card]:
    """Return the cards, and those of CLINC150 and Banking77 with these classes."""
    few = {"train": 6 * len(intents), "validation": 2 * len(intents), "test": 2 * len(intents)}
    bank = {"train": 12 * len(questions), "test": 2 * len(questions)}
    return {
        **CARDS,
        ("clinc/clinc_oos", "plus"): Card("text", "intent", intents, few),
        ("mteb/banking77", None): Card("text", "label_text", questions, bank, "jsonl"),
    }


def write(cards: dict[tuple[str, str | None], Card], folder: Path) -> None:
    """Write a folder for each data set, whose README says which files are which split of which configuration."""
    configs: dict[str, list[dict[str, Any]]] = {}
    for (identity, config), card in cards.items():
        own_folder, name = folder / identity, config or "default"
        (own_folder / name).mkdir(parents=True)
        files = [{"split": split, "path": _write_split(card, own_folder, name, split)} for split in card.splits]
        configs.setdefault(identity, []).append({"config_name": name, "data_files": files})
    for identity, entries in configs.items():
        text = f"---\n{yaml.safe_dump({'configs': entries})}---\n"
        (folder / identity / "README.md").write_text(text, encoding="utf-8")


def loader(folder: Path, asked: list[tuple[str, str | None, str | None]]) -> Callable[..., Any]:
    """Return what stands in for ``datasets.load_dataset``: the same, on the folders; what is asked for is noted."""
    real = datasets.load_dataset

    def load(identity: str, config: str | None = None, revision: str | None = None) -> Any:
        asked.append((identity, config, revision))
        return real(str(folder / identity), config)

    return load


def _write_split(card: Card, folder: Path, config: str, split: str) -> str:
    """Write one split, and return its path in the repository."""
    hidden = card.splits[split] == HIDDEN
    size = OPEN if hidden else card.splits[split]
    numbers = card.form == "numbers"
    path = f"{config}/{split}-00000-of-00001.{'parquet' if numbers else card.form}"
    labels = [*islice(cycle(range(len(card.classes))), size)]
    columns = {
        name: [f"{WORDS[n % len(WORDS)]} {name} of {split} {n}" for n in range(size)] for name in card.texts.split()
    }
    if numbers or card.form == "parquet":
        kind = Value("float32") if numbers else ClassLabel(names=[*card.classes])
        features = Features({**dict.fromkeys(columns, Value("string")), card.label: kind})
        shown = [float(card.classes[label]) for label in labels] if numbers else labels
        rows = {**columns, card.label: [HIDDEN] * size if hidden else shown}
        Dataset.from_dict(rows, features=features).to_parquet(folder / path)
        return path
    names = [card.classes[label] for label in labels]
    records = [
        dict(zip([*columns, card.label], row, strict=True)) for row in zip(*columns.values(), names, strict=True)
    ]
    if card.form == "jsonl":
        lines = [json.dumps(record) for record in records]
        (folder / path).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path
    with (folder / path).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*columns, card.label])
        writer.writeheader()
        writer.writerows(records)
    return path


def natural_instructions(path: Path) -> Path:
    """Write a task file of Super-NaturalInstructions, one of 40 rows for training or one of 16, and return its path."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        name = f"{path.parent.name} {path.stem}"
        inputs = [f"{WORDS[n % len(WORDS)]} {n} of {name}" for n in range(40 if path.stem == "train" else 16)]
        rows = [{"id": str(n), "input": text, "output": [str(n), "another"]} for n, text in enumerate(inputs)]
        document = {"Contributors": ["a person"], "Definition": ["Say what follows."], "Instances": rows}
        path.write_text(json.dumps(document, indent=2), encoding="utf-8")
    return path


def prompts_and_answers(folder: Path, names: list[str]) -> None:
    """Write a folder of each name, with a list of prompts and answers for each of three splits, as TRACE has them."""
    for name in names:
        (folder / name).mkdir(parents=True)
        for split, size in (("train", LEARNED), ("eval", OPEN), ("test", OPEN)):
            prompts = [f"{WORDS[n % len(WORDS)]} {n} of {name} {split}" for n in range(size)]
            rows = [{"prompt": text, "answer": WORDS[n % 3]} for n, text in enumerate(prompts)]
            (folder / name / f"{split}.json").write_text(json.dumps(rows), encoding="utf-8")
