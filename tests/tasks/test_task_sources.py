from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from adapter_workbench.tasks.reading import formats
from adapter_workbench.tasks.reading.dialect import Dialect, DialectSettings
from adapter_workbench.tasks.sources import SOURCES, python
from adapter_workbench.workbench.errors import AssetError, DataError, InputError
from tests.messages import naming

ROWS = {"text": ["NA", 'said "no"', "naïve\ttext"], "label": ["null", "01", "a"]}


def test_every_source_is_complete() -> None:
    assert {"files", "hub", "python", "wheel"} <= set(SOURCES.names())
    for name in SOURCES.names():
        assert SOURCES.describe(name)
        assert SOURCES.get(name).settings.model_json_schema()


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_formats_keep_values_as_they_are(tmp_path: Path, suffix: str) -> None:
    frame, path = pd.DataFrame(ROWS), tmp_path / f"rows.{suffix}"
    if suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif suffix == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, sep="," if suffix == "csv" else "\t", index=False)
    assert formats.read(path).to_dict("list") == ROWS


@pytest.mark.parametrize(
    ("index", "names"),
    [
        (pd.Index([f"t{n}" for n in range(4)], name="text"), ["text", "label"]),
        (pd.MultiIndex.from_product([["x", "y"], ["t", "u"]], names=[None, "text"]), ["text", "label"]),
        (pd.Index(["a", "b", "c", "d"]), ["label"]),
    ],
)
def test_a_named_index_of_a_parquet_file_is_a_column(index: pd.Index, names: list[str], tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pd.DataFrame({"label": [*"abab"]}, index=index).to_parquet(path)
    frame = formats.read(path)
    assert [*frame.columns] == names
    assert [*frame.index] == [*range(4)]
    rows = [*formats.rows(path, "parquet", Dialect())]
    assert [{name: row[name] for name in names} for row in rows] == frame.to_dict("records")


def test_orange_tab_has_three_header_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.tab"
    path.write_text("Category\tText\nd\tstring\nclass\t\n\nx\tone\ny\ttwo\n")
    assert formats.read(path).to_dict("list") == {"Category": ["x", "y"], "Text": ["one", "two"]}


def test_folders_are_labels_and_bad_bytes_do_not_stop_the_reading(tmp_path: Path) -> None:
    files = {"a/1.txt": b"caf\xe9", "b/51060": b"tea\r\n", "b/note.md": b"\xef\xbb\xbfmilk", "b/.hidden": b"no"}
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "read.me").write_text("no label")
    names, labels = ["a/1.txt", "b/51060", "b/note.md"], ["a", "b", "b"]
    rows = formats.read(tmp_path).to_dict("list")
    assert rows == {"file": names, "label": labels, "text": ["caf\ufffd", "tea\n", "milk"]}
    rows = formats.read(tmp_path, overrides=DialectSettings(encoding="latin-1")).to_dict("list")
    assert rows["text"][0] == "café"
    (tmp_path / "a" / "picture.png").write_bytes(b"\x89PNG\0\0")
    with pytest.raises(DataError, match=r"picture.png: .*not text"):
        formats.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("x.jsonl", b'{"a": 1}\n{"a": \n', "line 2: not JSON"),
        ("x.jsonl", b"[1]\n", "line 1: expected one JSON object"),
        ("x.csv", b"a,b\n1,2\n1\n", "line 3: 1 field, but there are 2 columns"),
        ("x.csv", b"a,b\n1,2,3\n1,2\n1,2,3,4\n", "line 2: 3 fields, but there are 2"),
        ("x.csv", b"a,b\n\xff,2\n", "UTF-8"),
        ("x.parquet", b"nothing", "cannot be opened"),
        ("x.csv", b"", "the file is empty"),
        ("x.csv", b"a,b\n", "no rows"),
        ("x.csv", b"a,b,a\n1,2,3\n", "several columns are called 'a'"),
    ],
)
def test_broken_files(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=expected):
        formats.read(tmp_path / name)


def test_a_missing_file_and_an_unknown_suffix(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_text("a\n1\n")
    with pytest.raises(InputError, match=r"tikets.csv: no such file\n.*/tickets.csv\?"):
        formats.read(tmp_path / "tikets.csv")
    (tmp_path / "x.doc").write_bytes(b"")
    with pytest.raises(InputError, match="cannot tell the format"):
        formats.read(tmp_path / "x.doc")


HUB = "hub: {id: ./repo}\ncolumns: {text: sentence, label: label}\nsplits: {test: validation, validation: 0.25}"


def _hub_folder(folder: Path) -> None:
    features = Features({"sentence": Value("string"), "label": ClassLabel(names=["no", "yes"])})
    (folder / "repo" / "data").mkdir(parents=True)
    for split, size in (("train", 40), ("validation", 10), ("test", 6)):
        unlabelled = split == "test"  # as in GLUE
        rows = [{"sentence": f"{split} {n}", "label": -1 if unlabelled else n % 2} for n in range(size)]
        Dataset.from_list(rows, features=features).to_parquet(
            folder / "repo" / "data" / f"{split}-00000-of-00001.parquet"
        )


def test_a_folder_laid_out_like_a_hub_repository(folder: Path, load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(folder.parent / "hf"))
    _hub_folder(folder)
    task = load(f"{HUB}\nlabels: {{'no': negative, 'yes': positive}}")
    assert {split: len(rows) for split, rows in task.splits.items()} == {"train": 30, "validation": 10, "test": 10}
    assert task.labels == ("negative", "positive")
    assert task.splits["test"][3] == {"id": "validation-3", "text": "validation 3", "label": 1}
    assert load(HUB).labels == ("no", "yes")


def test_a_split_without_labels_is_refused(folder: Path, load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(folder.parent / "hf"))
    _hub_folder(folder)
    with pytest.raises(DataError, match="6 of 6 rows of split 'test' have no label"):
        load(HUB.replace("test: validation, ", ""))


def test_the_hub_out_of_reach(folder: Path, load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any, **options: Any) -> None:
        assert "trust_remote_code" not in options
        raise ConnectionError("Couldn't reach 'a/b' on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    monkeypatch.setattr("adapter_workbench.tasks.sources.hub.hub_silence", lambda: "")
    with pytest.raises(AssetError, match=naming("a/b/c@main", "Couldn't reach")):
        load("hub: {id: a/b, config: c, revision: main}\ncolumns: {text: t}")
    monkeypatch.setattr("adapter_workbench.tasks.sources.hub.hub_silence", lambda: "it does not answer")
    with pytest.raises(AssetError, match=naming("a/b", "hub", "cache")):
        load("hub: {id: a/b}\ncolumns: {text: t}")
    with pytest.raises(InputError, match="no such folder"):
        load("hub: {id: ./nowhere}\ncolumns: {text: t}")


MODULE = """
import pandas as pd
def rows(size):
    row = lambda n: {"text": f"t{n}", "label": n % 2}
    return {"train": [row(n) for n in range(size)], "test": pd.DataFrame([row(n) for n in range(100, 104)])}
def number():
    return 3
def broken():
    return 1 / 0
def leave():
    raise SystemExit("bye")
"""


def test_a_function_beside_the_task_file(folder: Path, load: Any) -> None:
    (folder / "made.py").write_text(MODULE)
    task = load("python: {function: made:rows, arguments: {size: 20}}\ncolumns: {text: text}")
    assert {split: len(rows) for split, rows in task.splits.items()} == {"train": 18, "validation": 2, "test": 4}
    for function, expected in (
        ("nowhere:f", "no file nowhere.py lies beside the task file"),
        ("made:f", "has no function"),
        ("made:rows", "it raised an error: TypeError: .*missing 1 required"),
        ("made:broken", r"made.py, line \d+: it raised an error: ZeroDivisionError|division by zero"),
        ("made:leave", "it raised an error"),
        ("mine-own", "no installed package has the entry point 'mine-own'"),
    ):
        with pytest.raises(InputError, match=expected):
            load(f"python: {{function: '{function}'}}\ncolumns: {{text: text}}")
    with pytest.raises(DataError, match="returned int"):
        load("python: {function: 'made:number'}\ncolumns: {text: text}")


@pytest.mark.parametrize("function", ["os:system", "os:getcwd", "subprocess:run", "made.deeper:rows", "os.path:exists"])
def test_no_installed_module_is_called(folder: Path, load: Any, function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    canary = folder / "canary"
    monkeypatch.setattr("os.system", lambda *_, **__: canary.touch())
    with pytest.raises(InputError, match=r"beside the task file|python.function"):
        load(f"python: {{function: '{function}', arguments: {{command: touch {canary}}}}}\ncolumns: {{text: text}}")
    assert not canary.exists()


def test_an_installed_package_offers_rows_as_an_entry_point(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def load_rows() -> Any:
        return lambda size: [{"text": f"t{n}", "label": n % 2} for n in range(size)]

    entry = SimpleNamespace(name="my-rows", value="my_package:rows", load=load_rows)
    monkeypatch.setattr(python, "entry_points", lambda group: [entry] * (group == "adapter_workbench.rows"))
    task = load("python: {function: my-rows, arguments: {size: 40}}\ncolumns: {text: text}")
    assert sum(len(rows) for rows in task.splits.values()) == 40


def test_a_local_file_that_changes_is_read_again(folder: Path, load: Any) -> None:
    rows = ["text,label", *(f"t{n},{'ab'[n % 2]}" for n in range(40))]
    first, again = (load("files: {data: rows.csv}\ncolumns: {text: text}", rows) for _ in range(2))
    assert first.fingerprint == again.fingerprint
    assert len([*(folder.parent / "cache" / "tasks").iterdir()]) == 1
    other = load("files: {data: rows.csv}\ncolumns: {text: text}", [*rows, "new,a"])
    assert other.fingerprint != first.fingerprint
    assert json.loads((next((folder.parent / "cache" / "tasks").iterdir()) / "task.json").read_text())["labels"] == [
        "a",
        "b",
    ]
