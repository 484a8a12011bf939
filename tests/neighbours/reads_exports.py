"""``python reads_exports.py JOBS RESULTS``: open exported folders as their cards begin, with the peft that is here.

It is run in other environments too, so that it imports nothing of this project.
"""

from __future__ import annotations

import json
import re
import sys
import warnings
from pathlib import Path
from typing import Any


def opened(folder: str) -> Any:
    """Return the model that the first lines of a folder's card make."""
    card = Path(folder, "README.md").read_text(encoding="utf-8")
    (lines, *_) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    known: dict[str, Any] = {}
    exec(lines.replace("FOLDER", folder), known)
    return known["model"].eval()


def read(job: dict[str, Any]) -> dict[str, Any]:
    """Return what a job's model makes of its inputs, and the tokens that it writes, if it writes any.

    Args:
        job: ``folder``, ``inputs`` (batch, tokens) by name, ``writes``: how many tokens, and ``cached``: whether the
            states of earlier ones are kept for it.
    """
    import torch

    model = opened(job["folder"])
    inputs = {name: torch.tensor(rows) for name, rows in job["inputs"].items()}
    with torch.inference_mode():
        output = model(**inputs)
        values = output.last_hidden_state if "last_hidden_state" in output else output.logits
        tokens: list[Any] = []
        if job["writes"]:
            first = {"input_ids": inputs["input_ids"][:1], "attention_mask": inputs["attention_mask"][:1]}
            limits = {
                "max_new_tokens": job["writes"],
                "min_new_tokens": job["writes"],
                "pad_token_id": 0,
                "eos_token_id": 3,
                "use_cache": job["cached"],
            }
            tokens = model.generate(**first, **limits, do_sample=False, num_beams=1)[0, -job["writes"] :].tolist()
    return {"values": values.tolist(), "tokens": tokens}


def main() -> None:
    """Read the jobs, and write what became of each by its name."""
    warnings.simplefilter("ignore")
    jobs, results = map(Path, sys.argv[1:])
    found = {job["name"]: read(job) for job in json.loads(jobs.read_text(encoding="utf-8"))}
    results.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
