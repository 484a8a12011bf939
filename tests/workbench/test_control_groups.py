"""Limits of memory are found wherever a container or a scheduler sets them; the trees of files are made up."""

from pathlib import Path

import pytest

from adapter_workbench.workbench.machine.memory import memory_left, memory_limit

V2 = ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file")
V1 = ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
UNLIMITED = {V2: "max", V1: "9223372036854771712"}  # what Linux writes; in version 1 it is 2**63 less a page
LINES = {V2: "0::/{path}\n", V1: "12:cpuset:/elsewhere\n7:cpuacct,memory:/{path}\n0::/\n"}


def system(folder: Path, version: tuple[str, str, str, str], path: str, limits: dict[str, str]) -> Path:
    """Write the files of a process in the group ``path``; each takes 100 bytes, 30 of them pages of files."""
    mount, limit_file, used_file, field = version
    for group, limit in limits.items():
        own = folder / mount / group
        own.mkdir(parents=True, exist_ok=True)
        (own / limit_file).write_text(f"{limit}\n")
        (own / used_file).write_text("100\n")
        (own / "memory.stat").write_text(f"anon 70\n{field} 30\n")
    own = folder / "proc" / "self"
    own.mkdir(parents=True)
    (own / "cgroup").write_text(LINES[version].format(path=path))
    return folder


@pytest.mark.parametrize("version", [V1, V2], ids=["v1", "v2"])
@pytest.mark.parametrize(
    ("path", "limits", "expected"),
    [
        ("a/b", {"a": "500", "a/b": ""}, 500),
        ("a/b", {"a": "500", "a/b": "400"}, 400),
        ("a/b", {"a": "500", "a/b": "900"}, 500),
        ("", {"": "500"}, 500),
        ("not/visible/here", {"": "500"}, 500),
        ("a/b", {"a": "", "a/b": ""}, None),
        ("a", {"a": "", "a/b": "400"}, None),
    ],
    ids=["around it", "its own", "the smaller one", "the outermost", "container", "none", "inside it"],
)
def test_the_smallest_limit_around_a_process_counts(
    version: tuple[str, str, str, str], path: str, limits: dict[str, str], expected: int | None, tmp_path: Path
) -> None:
    written = {group: limit or UNLIMITED[version] for group, limit in limits.items()}
    root = system(tmp_path, version, path, written)
    assert memory_limit(root) == expected
    assert memory_left(root) == (None if expected is None else expected - 100 + 30)


def test_without_control_groups_nothing_limits(tmp_path: Path) -> None:
    assert (memory_limit(tmp_path), memory_left(tmp_path)) == (None, None)
