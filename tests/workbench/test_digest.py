"""Digests of files and folders."""

from __future__ import annotations

import hashlib
from pathlib import Path

from adapter_workbench.workbench.files.digest import below, digest, size


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_the_digest_of_a_file_and_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_bytes(b"beta")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_bytes(b"alpha")
    (tmp_path / "a.txt").write_bytes(b"")
    listing = f"a.txt {sha256(b'')}\nb.txt {sha256(b'beta')}\nsub/a.txt {sha256(b'alpha')}\n"
    assert digest(tmp_path / "b.txt") == sha256(b"beta")
    assert digest(tmp_path) == sha256(listing.encode())
    (tmp_path / "sub" / "a.txt").rename(tmp_path / "sub" / "c.txt")
    assert digest(tmp_path) != sha256(listing.encode()), "names count"


def test_what_stands_below_a_folder_and_its_size(tmp_path: Path) -> None:
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    (tmp_path / "sub" / "deep" / "a.txt").write_bytes(b"alpha")
    (tmp_path / "b.txt").write_bytes(b"beta")
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    names = {Path(entry.path).relative_to(tmp_path).as_posix() for entry in below(tmp_path)}
    assert names == {"b.txt", "sub", "sub/deep", "sub/deep/a.txt", "sub/up"}, "links are not followed"
    assert size(tmp_path) == 9
