"""YAML that a person would not write: refused with its line, before it takes memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.settings.yaml_text import MOST_BYTES, parse, read_text

ALIASES = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_small_texts_are_data_with_the_line_of_each_key() -> None:
    parsed = parse("a: &one {x: 1}\nb:\n  <<: *one\n  y: [2, {z: 0.5}]\n", "f.yaml")
    assert parsed.data == {"a": {"x": 1}, "b": {"x": 1, "y": [2, {"z": 0.5}]}}
    assert parsed.lines["b", "y", 1, "z"] == 4


def test_a_key_that_is_merged_in_may_be_replaced() -> None:
    text = """\
one: &one {x: 1, y: {z: 1}}
two: &two
  x: 2
  v: 2
both:
  <<: [*one, *two]
  y: 5
three: {y: 3, <<: *one}
"""
    parsed = parse(text, "f.yaml")
    assert parsed.data["both"] == {"x": 1, "y": 5, "v": 2}, "its own first, then the first that is merged in"
    assert parsed.data["three"] == {"x": 1, "y": 3}
    assert [parsed.lines["both", key] for key in ("y", "x", "v")] == [7, 1, 4]
    assert parsed.lines["three", "y"] == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ALIASES, "f.yaml, line 5: the file is too large: more than 100,000 values"),
        ("\n".join(f"- k{index}" for index in range(100_001)), "more than 100,000 values"),
        ("a: " + "[" * 60 + "]" * 60, "f.yaml, line 1: nested deeper than 50 levels"),
        ("\n".join(f"{' ' * index}a:" for index in range(3000)), "line 50: nested deeper than 50"),
        ("[" * 100_000, "f.yaml"),
        (f"a: &a {'[' * 30}{']' * 30}\nb: {'[' * 30}*a{']' * 30}", "line 2: nested deeper than 50"),
        ("name: &a [*a]", "line 1: .*contains itself"),
        ("name: &a {b: [*a]}", "line 1: .*contains itself"),
        ("a: *b", "line 1: not YAML: found undefined alias"),
        ("a: 1" + ":1" * 100_000, "a number of 200,001 characters"),
        ("a: " + "9" * 10_000, "a number of 10,000 characters"),
        ("a: !!binary aGk=", "line 1: not YAML: the tag tag:yaml.org,2002:binary is not read here"),
        ("a: !!python/name:os.system", "line 1: not YAML: the tag"),
        ("a: !!bool 5", "not YAML: KeyError: '5'"),
        ("a: !!int 1.5", "not YAML: invalid literal"),
        ('a: "b\\0"', "line 1: a character .*: U\\+0000"),
        ("a: \0", "f.yaml: a character .*: U\\+0000"),
        ("a: \udcff", "f.yaml: a character .*: U\\+DCFF"),
        ('a: "\\ud800"', "line 1"),
        ("? [a]\n: b", "line 1: not YAML: found unhashable key"),
        ("a: {b: 1,\n  b: 2}", "line 2: 'a.b' .* line 1"),
        ("a: &a {x: 1}\nb: {<<: *a,\n  <<: *a}", "line 3: 'b.<<' .* line 2"),
        ("a: &a {x: 1, x: 2}\nb: {<<: *a}", "line 1: 'a.x' is given twice"),
        ("a: {<<: 5}", "line 1: not YAML: expected a mapping"),
        ("a: {<<: {? [b] : 1}}", "line 1: not YAML: found unhashable key"),
    ],
)
def test_what_nobody_writes_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(text, "f.yaml")


def test_a_device_a_pipe_and_a_folder_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "folder.yaml").mkdir()
    for name, kind in (("pipe", "a pipe"), ("zero", "no ordinary file"), ("folder", "a folder")):
        with pytest.raises(InputError, match=f"cannot read .*{kind}"):
            read_text(tmp_path / f"{name}.yaml")


def test_a_file_has_a_size_that_somebody_may_have_written(tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    path.write_text("#" * MOST_BYTES, encoding="utf-8")
    assert parse(read_text(path), "f.yaml").data is None
    path.write_text("#" * (MOST_BYTES + 1), encoding="utf-8")
    with pytest.raises(InputError, match="larger than 1 MiB"):
        read_text(path)


@pytest.mark.parametrize("name", ["recipe.yml", "recpie.yaml", "other.txt", "nowhere/recipe.yaml", "recipe.yaml/x"])
def test_a_file_that_is_not_there_is_told_with_what_is_called_alike(name: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("name: x")
    with pytest.raises(InputError) as error:
        read_text(tmp_path / name)
    near = f"\n  Did you mean {tmp_path / 'recipe.yaml'}?" if name in {"recipe.yml", "recpie.yaml"} else ""
    assert str(error.value) == f"{tmp_path / name}: no such file{near}"


@pytest.mark.parametrize("name", ["x" * 300 + ".yaml", "a\0b.yaml", "\udcff.yaml"])
def test_a_name_that_no_file_has_is_told(name: str) -> None:
    with pytest.raises(InputError, match=r"cannot read this file|no such file"):
        read_text(Path(name))


def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("a: 1\n", encoding="utf-8-sig")
    assert read_text(tmp_path / "f.yaml") == "a: 1\n"
