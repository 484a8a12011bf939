"""Files of words and tags: CoNLL-2003 and its like come in, are checked, and an adapter learns from them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from random import Random

import pytest

from adapter_workbench.tasks.reading import conll, formats
from adapter_workbench.tasks.reading.dialect import Dialect, DialectSettings
from adapter_workbench.workbench.errors import DataError, InputError
from adapter_workbench.workbench.methods.kinds.token_classification import _entities, is_bio
from tests.conftest import Call
from tests.fuzzing.values import damaged
from tests.messages import lacks, naming

# CoNLL-2003: word, part of speech, chunk, entity (IOB1: `I-` begins an entity, `B-` parts two that touch)
CONLL_2003 = """-DOCSTART- -X- -X- O

EU NNP I-NP I-ORG
rejects VBZ I-VP O
German JJ I-NP I-MISC
call NN I-NP O
. . O O

Peter NNP I-NP I-PER
Blackburn NNP I-NP I-PER

-DOCSTART- -X- O O

Paris NNP I-NP I-LOC
London NNP I-NP B-LOC
"""
BIOES = "# id 7\tdomain=en\nAnn\tS-PER\n#\tO\nNew\tB-LOC\nYork\tE-LOC\n\t\n# more words\nHi\tO\n"


def written(folder: Path, content: str | bytes, name: str = "train.conll") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_sentences_are_rows_and_columns_stay_as_they_are(tmp_path: Path) -> None:
    frame = formats.read(written(tmp_path, CONLL_2003))
    assert list(frame.columns) == ["words", "column_2", "column_3", "tags"]
    assert frame["words"].tolist() == ["EU rejects German call .", "Peter Blackburn", "Paris London"]
    assert frame["tags"].tolist() == ["I-ORG O I-MISC O O", "I-PER I-PER", "I-LOC B-LOC"]
    assert frame["column_2"].tolist()[1] == "NNP NNP"


@pytest.mark.parametrize("name", ["x.iob", "x.bio", "x.iob2", "x.bioes", "x.conll"])
def test_comments_tabs_and_windows_lines(name: str, tmp_path: Path) -> None:
    for content in (BIOES, BIOES.replace("\n", "\r\n"), f"\ufeff{BIOES}", BIOES.replace("\t", "  ")):
        path = written(tmp_path, content, name)
        rows = [{"words": "Ann # New York", "tags": "S-PER O B-LOC E-LOC"}, {"words": "Hi", "tags": "O"}]
        assert formats.read(path).to_dict("records") == rows
        assert [*formats.rows(path, "conll", Dialect())] == rows


def test_a_word_may_be_a_number_sign(tmp_path: Path) -> None:
    assert formats.read(written(tmp_path, "# O\n1 O\n\n# O\n2 O\n"))["words"].tolist() == ["# 1", "# 2"]


def test_packed_files_and_other_encodings(tmp_path: Path) -> None:
    path = written(tmp_path, gzip.compress("Käse O\n".encode("latin-1")), "train.conll.gz")
    assert formats.read(path, overrides=DialectSettings(encoding="latin-1"))["words"].tolist() == ["Käse"]
    with pytest.raises(DataError, match="not text in utf-8"):
        formats.read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("EU B-ORG\nrejects VB O\n", naming("train.conll, line 2", "3 columns, and line 1 has 2")),
        ("EU B-ORG\nrejects\n", naming("line 2", "this line has 1 column, and line 1 has 2")),
        ("\n\nEU\n", naming("line 3", "a word without a tag")),
        ("5\xa0% B-X\n", naming("line 1", "white space inside", "another character in its place")),
        ("-DOCSTART- O\n\n", "it has no rows"),
        ("", "it has no rows"),
        ("a O\n\0 O\n", naming("line 2", "NUL")),
        (f"a{' b' * 5000} O\n", naming("line 1", "5,002 columns")),
    ],
)
def test_what_is_malformed_is_one_message_with_its_line(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        formats.read(written(tmp_path, content))


@pytest.mark.parametrize("seed", range(20))
def test_damaged_files_are_read_or_refused(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    for _ in range(50):
        path = written(tmp_path, damaged(random, (CONLL_2003 + BIOES).encode()))
        try:
            frame = formats.read(path)
        except (DataError, InputError):
            continue
        assert all(map(len, (words.split() for words in frame["words"])))
        assert [len(words.split()) for words in frame["words"]] == [len(tags.split()) for tags in frame["tags"]]


def test_a_file_without_blank_lines_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conll, "MOST_WORDS", 3)
    assert len(formats.read(written(tmp_path, "a O\n" * 3 + "\n" + "a O\n" * 3))) == 2
    with pytest.raises(DataError, match=naming("line 4", "3 words without a blank line")):
        formats.read(written(tmp_path, "a O\n" * 4))


@pytest.mark.parametrize(
    "tags",
    [
        "I-PER I-PER O I-LOC B-LOC O I-LOC",  # IOB1
        "B-PER I-PER O B-LOC B-LOC O B-LOC",  # IOB2
        "B-PER E-PER O S-LOC S-LOC O S-LOC",  # BIOES
        "B-PER L-PER O U-LOC U-LOC O U-LOC",  # BILOU
    ],
)
def test_entities_are_the_same_in_all_schemes(tags: str) -> None:
    """They are read off the schemes' definitions: a person of two words, two places that touch, and a third."""
    assert is_bio(tags.split())
    assert _entities(tags.split()) == [("PER", 0, 1), ("LOC", 3, 3), ("LOC", 4, 4), ("LOC", 6, 6)]


def sentences(count: int, start: int = 0) -> str:
    """Return texts in which an animal is an entity."""
    animals, verbs = ("cat", "dog", "bird", "fish"), ("often", "never", "really")
    lines = []
    for number in range(start, start + count):
        animal, verb = animals[number % 4], verbs[number % 3]
        lines += ["the O", f"{animal} B-ANIMAL", f"{verb} O", f"n{number} O", ""]
    return "\n".join(lines) + "\n"


def test_from_files_to_an_adapter(bert: Path, tmp_path: Path, call: Call) -> None:
    """Several files, in a folder: a task, its check, an adapter, its score on a file."""
    (tmp_path / "ner").mkdir()
    for name, count, start in (("train", 60, 0), ("dev", 20, 60), ("test", 30, 80)):
        written(tmp_path / "ner", sentences(count, start), f"{name}.conll")
    code, out, err = call("tasks", "new", "animals-ner", "--from", "ner")
    assert code == 0, err
    assert lacks(out, "kind: token-classification", "text: words", "label: tags", "validation: ../ner/dev.conll") == []
    assert "Read as: a word and its tag on each line" in " ".join(out.split())
    code, out, err = call("tasks", "check", "animals-ner", "--json")
    assert code == 0, err
    report = json.loads(out)
    assert (report["kind"], report["labels"]) == ("token-classification", ["B-ANIMAL", "O"])
    assert {name: split["examples"] for name, split in report["splits"].items()} == {
        "train": 60,
        "validation": 20,
        "test": 30,
    }
    budget = ["--set", "budget.epochs=8", "--set", "budget.max_length=16", "--set", "budget.batch_size=8"]
    code, out, err = call(
        "train", "animals-ner", "--method", "lora", "--backbone", str(bert), "--set", "learning_rate=0.02", *budget,
        "--json",
    )  # fmt: skip
    assert code == 0, err
    adapter = json.loads(out)
    assert adapter["metrics"]["test_score"] > 0.9
    code, out, err = call("evaluate", adapter["adapter"], "--file", "ner/test.conll", "--json")
    assert code == 0, err
    assert json.loads(out)["examples"] == 30
    code, out, err = call(
        "predict", adapter["adapter"], "--file", "ner/test.conll", "--out", "answers.csv", "--prefix", "a_"
    )
    assert code == 0, err
    assert Path("answers.csv").read_text().splitlines()[0].startswith("words,tags,a_tags,")
    Path("eng.testb").write_text(Path("ner/test.conll").read_text())
    Path("plain.txt").write_text("the cat often\n\nthe dog\n")
    code, out, err = call("evaluate", adapter["adapter"], "--file", "eng.testb", "--json")
    assert (code, json.loads(out)["examples"]) == (0, 30), err
    code, out, err = call("predict", adapter["adapter"], "--file", "plain.txt", "--json")
    assert (code, len(json.loads(out))) == (0, 2), "a text a line"


def test_a_format_can_be_named(bert: Path, tmp_path: Path, call: Call) -> None:
    """Where a file's name does not tell it, the message names the option, and the option is there."""
    path = written(tmp_path, sentences(40), "eng.train")
    code, _, err = call("tasks", "new", "ner", "--from", str(path))
    assert code == 2
    assert "Name it (--format NAME), or use one of" in " ".join(err.split())
    code, out, err = call("tasks", "new", "ner", "--from", str(path), "--format", "conl")
    assert (code, "--format: there is no format 'conl'" in err, "Did you mean conll" in err) == (2, True, True), err
    code, out, err = call("tasks", "new", "ner", "--from", str(path), "--format", "conll")
    assert code == 0, err
    assert lacks(out, "format: conll", "data: ../eng.train", "kind: token-classification") == []
    code, out, err = call("tasks", "check", "ner", "--json")
    assert json.loads(out)["splits"]["train"]["examples"] == 28


def test_a_format_is_for_files_alone(tmp_path: Path, call: Call) -> None:
    code, _, err = call("tasks", "new", "ner", "--from", "owner/name", "--format", "conll")
    assert (code, "a format can be named for those alone" in err) == (2, True), err


def test_messages_name_an_option_only_where_there_is_one(tmp_path: Path, call: Call) -> None:
    written(tmp_path, "x\n", "rows.odd")
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "t.yaml").write_text(
        "description: d\nfiles: {data: ../rows.odd}\ncolumns: {text: a, label: b}\n"
    )
    code, _, err = call("tasks", "check", "t")
    assert code == 2
    assert "Name it (format: …)" in err
    rows = "text,label\n" + "".join(f"the cat {n},{n % 2}\n" for n in range(60))
    written(tmp_path, rows, "rows.csv")
    assert call("tasks", "new", "u", "--from", "rows.csv")[0] == 0
    code, _, err = call("tasks", "update", "u", "--from", "rows.odd")
    assert code == 2
    assert "format: …" not in err
    assert "Rename it: use one of" in " ".join(err.split())
