"""Rows that were read take no memory once they are let go, and can be read again."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from adapter_workbench.tasks.reading.mapped import map_file, release_pages

ROOT = Path(__file__).parents[2]
ROWS = 100_000


def resident(path: Path) -> int:
    """Return how many kB of a mapped file are in this process's memory."""
    maps = Path("/proc/self/smaps").read_text().split(str(path))
    return sum(int(re.search(r"^Rss: +(\d+) kB", entry, re.M)[1]) for entry in maps[1:])  # type: ignore[index]


@pytest.mark.skipif(sys.platform != "linux", reason="what a mapped file takes is told by Linux alone")
def test_rows_that_are_let_go_take_no_memory_and_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "rows.arrow"
    table = pa.table({"text": [f"text {number}" for number in range(ROWS)]})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    opened = pa.ipc.open_file(map_file(path)).read_all()
    assert opened.equals(table)
    assert resident(path) > 1000
    release_pages()
    assert resident(path) == 0
    assert opened["text"][ROWS - 1].as_py() == f"text {ROWS - 1}"
    assert 0 < resident(path) < 1000
    del opened
    release_pages()
    assert str(path) not in Path("/proc/self/maps").read_text(), "nobody has it any more"


@pytest.mark.skipif(sys.platform == "win32", reason="limits of open files are set otherwise there")
def test_more_tasks_than_a_shell_lets_a_program_open_files(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(bytes(4096))
    program = (
        "import resource; from pathlib import Path\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]; resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))\n"
        "from adapter_workbench.tasks.reading.mapped import map_file\n"
        f"print(len([map_file(Path({str(path)!r})) for _ in range(200)]))"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert output.stdout == "200\n", output.stderr
