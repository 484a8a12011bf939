"""``python reads_gguf.py JOBS RESULTS``: what files in GGUF hold, and what llama.cpp computes with them.

It is run in another environment, so that it imports nothing of this project.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FLOAT32 = 0  # as GGML counts types: of keys and values, which are float16 otherwise


def tensors(path: str) -> dict[str, Any]:
    """Return each tensor of a file by its name, as nested lists."""
    from gguf import GGUFReader

    found = GGUFReader(path).tensors
    return {tensor.name: tensor.data.reshape([int(size) for size in tensor.shape[::-1]]).tolist() for tensor in found}


def computed(job: dict[str, Any]) -> dict[str, Any]:
    """Return the logits of each row's tokens, and the tokens that are written after it.

    Args:
        job: ``model`` and ``lora`` (or null): files; ``rows``: tokens; ``writes``: how many tokens.
    """
    from llama_cpp import Llama

    options = {"n_ctx": 64, "logits_all": True, "n_threads": 1, "verbose": False, "flash_attn": False}
    model = Llama(job["model"], lora_path=job["lora"], type_k=FLOAT32, type_v=FLOAT32, **options)
    logits, written = [], []
    for row in job["rows"]:
        model.reset()
        model.eval(row)
        logits.append(model.scores[: len(row)].tolist())
        tokens: list[int] = []
        for _ in range(job["writes"]):
            tokens.append(int(model.scores[model.n_tokens - 1].argmax()))
            model.eval(tokens[-1:])
        written.append(tokens)
    return {"logits": logits, "tokens": written}


def main() -> None:
    """Read the jobs, and write what became of each by its name."""
    jobs, results = map(Path, sys.argv[1:])
    known = json.loads(jobs.read_text(encoding="utf-8"))
    found = {name: tensors(job["model"]) if job["writes"] is None else computed(job) for name, job in known.items()}
    results.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
