"""Run notebooks, each in an empty folder, and keep what they print.

    python docs/notebooks/execute.py docs/notebooks/*.ipynb

MiniLM and the data of the catalog's tasks come from the package registry, once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from nbconvert.filters import strip_ansi
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from nbformat import NotebookNode


def executed(path: Path) -> NotebookNode:
    """Return the notebook in ``path`` with fresh outputs, without what differs from run to run for no reason.

    Raises:
        CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    commands = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    with TemporaryDirectory() as folder:
        NotebookClient(notebook, timeout=None, resources={"metadata": {"path": folder}}).execute(env=commands)
    for cell in notebook.cells:
        cell.metadata = NotebookNode()
        if cell.cell_type == "code":  # on stderr are progress bars
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in cell.outputs:
                if output.output_type == "stream":
                    output.text = strip_ansi(output.text)
    notebook.metadata.language_info = NotebookNode(name="python")
    whole, _ = CoalesceStreamsPreprocessor().preprocess(notebook, {})
    return whole


if __name__ == "__main__":
    for name in sys.argv[1:]:
        nbformat.write(executed(Path(name)), name)
