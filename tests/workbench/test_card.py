"""The README of an adapter: names of any origin are shown as they stand, and ordinary ones are written as they are."""

from __future__ import annotations

from html import unescape

import pytest
from markdown_it import MarkdownIt

from adapter_workbench.workbench.methods import card
from tests.workbench.test_store import manifest

NASTY = "*x* `y` <img src=x onerror=alert(1)> [l](http://a.b) ## | a_b_c \\ &lt;"
ORDINARY = """\
# news-lora-1

lora adapter
for the task **news** (classification: a, b) on
`tiny`; validation score 0.7500 after epoch
1, 10 trained parameters.

- Backbone: `tiny`, licence: apache-2.0
- Data: file news.csv, licence: CC-BY-4.0
- Trained with torch 2
- Everything else: `manifest.json`

## Use without the workbench
"""


def test_ordinary_names_are_written_as_they_are() -> None:
    plain = manifest()
    task = plain.task.model_copy(update={"origin": "file news.csv", "license": "CC-BY-4.0"})
    backbone = plain.backbone.model_copy(update={"license": "apache-2.0"})
    text = card.render(plain.model_copy(update={"task": task, "backbone": backbone}))
    assert text.startswith(ORDINARY)


@pytest.mark.parametrize("merged", [False, True])
def test_names_from_people_stay_names(merged: bool) -> None:
    plain = manifest()
    task = plain.task.model_copy(
        update={
            "name": f"{NASTY} 1",
            "labels": (f"{NASTY} 2", "b\n# c"),
            "origin": f"{NASTY} 3",
            "license": f"{NASTY} 4",
        }
    )
    backbone = plain.backbone.model_copy(update={"hub_id": f"{NASTY} 5", "license": f"{NASTY} 6"})
    changed = plain.model_copy(update={"task": task, "backbone": backbone, "versions": {NASTY: "7"}})
    page = MarkdownIt("commonmark").render(card.render(changed, merged))
    words = page.partition("<pre>")[0]
    for number in range(1, 8):
        assert f"{NASTY} {number}" in unescape(words)
    assert "b # c" in words
    assert not any(tag in words for tag in ("<img", "<a ", "<em>"))
    assert (words.count("<h1>"), words.count("<h2>"), words.count("<strong>")) == (1, 1, 1)
