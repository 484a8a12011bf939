"""task_files: task files that somebody sends, over sources of every kind; nothing that was fetched before is lost."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import yaml

from adapter_workbench.tasks.task_file.task_file import TaskFile
from adapter_workbench.workbench.errors import AssetError
from adapter_workbench.workbench.files.cache import cache_folder
from tests.fuzzing.promises import require_promises
from tests.fuzzing.sites import Site
from tests.fuzzing.values import changed, damaged, value

COMMIT = "0123456789abcdef" * 2 + "01234567"
ROWS = "text,label\n" + "".join(f"the cat {number},{('first', 'second')[number % 2]}\n" for number in range(40))
CONTENT = ROWS.encode()
DIGEST = hashlib.sha256(CONTENT).hexdigest()
FETCHED = ("wheels/pkg-1.0/pkg/rows.csv", f"github/owner/data/{COMMIT}/of/rows.csv", "wheels/pkg-1.0/model/weights.bin")
PATHS = (
    "../rows.csv", "rows.csv", "../../outside.csv", "/etc/passwd", "/dev/zero", "/dev/stdin", "~/.ssh/id", "..", "",
    "../work/../rows.csv", "../pipe", "../loop", "../link.csv", "file:///etc/passwd", "http://127.0.0.1:9/rows.csv",
    "a\0b", "x" * 300, "${HOME}/rows.csv", "hf://datasets/a/b", "../rows.csv.gz", "../deep.json", "zip://x::../rows.csv",
)  # fmt: skip
MEMBERS = ("pkg/rows.csv", "pkg", "../evil", "/etc/passwd", "", "model/weights.bin", "no/such", "pkg/../pkg/rows.csv")
PACKAGES = ("pkg==1.0", "pkg==2.0", "other==1.0", "pkg", "--index-url==1", "../../evil==1", "pkg==1.0 --pre")
SKILLS = (["reverse"], ["sort"], ["reverse"] * 10, ["nope"], [], ["reverse"] * 300, "reverse", ["../evil"])
KEYS = [*TaskFile.model_fields, "files", "wheel", "github", "hub", "python", "version", "word-lists", "reasoning-gym"]
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
TEXTS = (
    BOMB,
    "description: !!python/object/apply:os.system ['touch canary']\n",
    "description: !!python/name:evil.run\n",
    "description: &a {x: *a}\n",
    "<<: {files: {data: /etc/passwd}}\ndescription: d\n",
    "description: d\ndescription: e\n",
    "? [1, 2]\n: 3\n",
    "[" * 3000,
    "a: " * 200 + "1",
    "description: d\n---\ndescription: e\n",
    "- 1\n- 2\n",
    "%YAML 1.2\n---\n",
    "description: 2026-13-45\nlabels: [0x7fffffffffffffffffff, 1_000, .inf, 0b2, 12:30:45]\n",
    "description: " + "9" * 5000 + "\n",
    "# " + "x" * 300_000 + "\n",
)


def case(site: Site, random: Random) -> bool:
    """Write a task file that came from elsewhere, and ask what it is; what was fetched before has to stay."""
    work = site.folder
    _lay_out(work)
    was_damaged = _fill_cache(random)
    document = _document(random)
    for _ in range(random.choice([0, 0, 0, 1, 2])):
        document = _odd(random, document)
    content = yaml.safe_dump(document, allow_unicode=False, sort_keys=False).encode() if document else b""
    if random.random() < 0.06:
        content = random.choice([content, b""]) + random.choice(TEXTS).encode()
    path = work / "tasks" / "other.yaml"
    path.write_bytes(content if random.random() < 0.95 else damaged(random, content))
    words = random.choice([["check"], ["check"], ["show"], ["check", "--backbone", str(site.model("bert"))]])
    try:
        with published(is_online=random.random() < 0.6):
            taken = not require_promises(work, "tasks", *words, "other").code
    finally:
        path.unlink()
    _require_kept(was_damaged)
    return taken


def _lay_out(work: Path) -> None:
    """Write what paths of tasks lead to: rows, a pipe, links, deep JSON."""
    if (work / "rows.csv").exists():
        return
    (work / "rows.csv").write_bytes(CONTENT)
    (work / "tasks" / "rows.csv").write_bytes(CONTENT)
    (work / "deep.json").write_text("[" * 5000 + "]" * 5000, encoding="utf-8")
    (work / "rows.csv.gz").write_bytes(b"\x1f\x8b" + b"\0" * 30)
    os.mkfifo(work / "pipe")
    (work / "loop").symlink_to("loop")
    (work / "link.csv").symlink_to("/etc/hostname")
    (work / "tasks" / "hub").mkdir()
    (work / "tasks" / "hub" / "train.csv").write_bytes(CONTENT)


def _fill_cache(random: Random) -> set[str]:
    """Put what was fetched before into the cache; return which copies of it are damaged."""
    shutil.rmtree(cache_folder() / "tasks", ignore_errors=True)
    damaged_ones = set()
    for name in FETCHED:
        path = cache_folder() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        is_damaged = random.random() < 0.1
        path.write_bytes(b"damaged" if is_damaged else CONTENT)
        damaged_ones |= {name} if is_damaged else set()
    return damaged_ones


def _require_kept(was_damaged: set[str]) -> None:
    """Make sure that each copy is what it was; one that was damaged may have been mended."""
    for name in FETCHED:
        path = cache_folder() / name
        assert path.is_file(), f"the cache has lost {name}"
        kept = path.read_bytes() == CONTENT or (name in was_damaged and path.read_bytes() == b"damaged")
        assert kept, f"the cache has another {name}"
    drafts = [path for path in cache_folder().rglob(".*") if path.name != ".writable"]
    assert not drafts, f"the cache has drafts: {drafts}"


@contextmanager
def published(*, is_online: bool) -> Iterator[None]:
    """Publish the wheel ``pkg==1.0`` and the file of a repository; or have no network."""

    def download(requirement: str, folder: Path) -> Path:
        if not is_online or requirement != "pkg==1.0":
            raise AssetError(f"cannot download {requirement}: no network", where=requirement)
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as wheel:
            for name in ("pkg/rows.csv", "model/weights.bin"):
                wheel.writestr(name, CONTENT)
        path = folder / "pkg-1.0-py3-none-any.whl"
        path.write_bytes(archive.getvalue())
        return path

    def get(settings: Any, file: Any) -> bytes:
        if not is_online or file.path != "of/rows.csv":
            raise AssetError(f"cannot download {file.path}: no network", where="github")
        return CONTENT

    with (
        mock.patch("adapter_workbench.workbench.files.wheel._download", download),
        mock.patch("adapter_workbench.tasks.sources.github._download", get),
    ):
        yield


def _document(random: Random) -> dict[str, Any]:
    """Return a task with one source, which may be odd itself."""
    pick = random.choice
    source, settings = pick(_sources(random))
    document = {"description": "made in tests", source: settings, "columns": {"text": "text", "label": "label"}}
    if source in ("word-lists", "reasoning-gym"):
        document |= {"kind": "seq2seq", "columns": {"text": "question", "answer": "answer"}}
    if random.random() < 0.4:
        document["splits"] = {"validation": 0.2, "test": 0.2, "seed": 0}
    return document


def _sources(random: Random) -> list[tuple[str, dict[str, Any]]]:
    """Return settings of each source: right ones, wrong digests, paths that lead elsewhere."""
    pick = random.choice
    sha256 = pick([*[DIGEST] * 6, "0" * 64, "f" * 64, "x", DIGEST.upper(), ""])
    member = pick([MEMBERS[0], MEMBERS[0], pick(MEMBERS)])
    path = pick([*["of/rows.csv"] * 6, "no.csv", "../x", "/etc/passwd", ""])
    repository = pick([*["owner/data"] * 9, "../..", "owner/..", "a/b/c", "-/x", "owner/data/../../.."])
    commit = pick([*[COMMIT] * 5, "main", "0" * 40, "../" * 13 + "a"])
    hub = pick(
        [*["./hub"] * 6, "~/x", "/etc", "..", "owner/name", "pandas", "csv", "http://a.example/b", "../../whole"]
    )
    split = pick([*["data"] * 5, "train", "test", "nope"])
    return [
        ("files", {split: pick(PATHS[:1] if random.random() < 0.6 else PATHS)}),
        (
            "files",
            {"train": "../rows.csv", "test": pick(PATHS), "format": pick(["csv", "jsonl", "conll", "nope", None])},
        ),
        ("wheel", {"package": pick([*["pkg==1.0"] * 6, *PACKAGES]), split: {"member": member, "sha256": sha256}}),
        (
            "wheel",
            {"package": "pkg==1.0", "data": {"member": "model/weights.bin", "sha256": "0" * 64}, "format": "csv"},
        ),
        ("github", {"repository": repository, "commit": commit, split: {"path": path, "sha256": sha256}}),
        ("hub", {"id": hub, "revision": pick([None, "main", COMMIT]), "config": pick([None, "default", "../x"])}),
        ("python", {"function": pick(["evil:run", "os:system", "hub:run", "no-entry", "evil.run", "__main__:x"])}),
        ("python", {"function": "evil:run", "arguments": {"command": "x"}}),
        (
            "version",
            {"number": pick([1, 2, 0, 10**9]), "made_from": "x", "train": sha256, "validation": sha256, "test": DIGEST},
        ),
        ("word-lists", {"skills": pick(SKILLS), "size": pick([1, 40, 100_001]), "most": pick([5, 50, 51, 10**9])}),
        ("reasoning-gym", {"dataset": pick(["chain_sum", "nope", "../x"]), "size": 40, "config": {"min_terms": 2}}),
    ]


def _odd(random: Random, document: dict[str, Any]) -> dict[str, Any]:
    """Return a document with something of another type, a key more, or a second source."""
    act = random.random()
    if act < 0.5:
        return changed(random, document)  # type: ignore[no-any-return]
    if act < 0.8:
        return document | {random.choice(KEYS): value(random)}
    source, settings = random.choice(_sources(random))
    return document | {source: random.choice([settings, json.dumps(settings), [settings]])}
