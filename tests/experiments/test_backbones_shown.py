"""`workbench backbones show`: what a backbone is, and where its files are for other programs."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Call


def test_a_backbone_is_shown(call: Call, bert: Path) -> None:
    code, out, err = call("backbones", "show", str(bert), "--json")
    assert code == 0, err
    shown = json.loads(out)
    assert {name: shown[name] for name in ("architecture", "hidden_size", "layers", "positions", "pooling")} == {
        "architecture": "bert",
        "hidden_size": 32,
        "layers": 2,
        "positions": 64,
        "pooling": "mean",
    }
    assert (shown["folder"], shown["hub_id"], len(shown["fingerprint"])) == (str(bert), None, 64)
    assert call("backbones", "show", str(bert), "--folder")[1] == f"{bert}\n"
    code, out, _ = call("backbones", "show", str(bert))
    assert (code, "hidden size" in out, "None" in out) == (0, True, False)


def test_what_is_no_backbone_is_one_message(call: Call) -> None:
    code, out, err = call("backbones", "show", "nothing")
    assert (code, out) == (2, "")
    assert "backbone called 'nothing'" in err
