"""The merging benchmark on tiny matrices: its errors hold at every size; its times are not looked at here."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from bench import merging


def test_it_measures_against_peft_and_the_dense_optimum(tmp_path: Path) -> None:
    import typer

    app = typer.Typer()
    app.command()(merging.main)
    size = "--sources 3 --rank 4 --layers 1 --hidden 32 --modules 48x40".split()
    done = CliRunner().invoke(app, ["--out", str(tmp_path / "merging.json"), *size])
    assert done.exit_code == 0, done.output
    document = json.loads((tmp_path / "merging.json").read_text(encoding="utf-8"))
    results = {result["name"]: result for result in document["results"]}
    assert sorted(results) == ["dare-ties, BERT", "knots alignment", "svd, 48×40", "svd, BERT", "ties, BERT"]
    assert "--hidden 32" in document["provenance"]["command"]
    for result in results.values():
        measured = {name: result[name] for name in result["bars"]}
        for name, bar in result["bars"].items():
            assert result["reached"][name] == (measured[name] >= bar if name == "ratio" else measured[name] <= bar)
        assert result["ratio"] > 0
    assert all(results[name]["reached"]["error"] for name in ("svd, BERT", "svd, 48×40", "knots alignment"))
    assert all(results[name]["reached"]["excess_error"] for name in ("ties, BERT", "dare-ties, BERT"))
    assert results["svd, BERT"]["what"] == "6 matrices"
