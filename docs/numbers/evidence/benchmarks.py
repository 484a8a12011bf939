"""The numbers of docs/benchmarks.md: what papers and their authors' repositories state. None was measured here."""

from __future__ import annotations

from collections.abc import Iterator

STATED = [
    # github.com/cmnfriend/O-LoRA: scripts/order_1.sh, src/run_uie_lora.py, logs_and_outputs/order1_* and long_*
    "constant learning rate 0.001; LoRA of rank 8, alpha 32, dropout 0.1; O-LoRA's λ 0.5",
    "| O-LoRA, mean of three orders | 75.8 |",
    "| O-LoRA, order 1 | 78.4 |",
    "| sequential full fine-tuning, order 1 | 67.8 |",
    "| one sequential LoRA, order 1 | 62.9 |",
    "| O-LoRA, mean of three orders | 69.6 |",
    "| O-LoRA, the order above | 72.2 | 73.9 |",
    "| one sequential LoRA, the order above | 32.0 | 32.4 |",
    # github.com/zzz47zzz/codebase-for-incremental-learning-with-llm: config/CIL, imgs/main_result.jpg
    "learning rate 0.00001 for the body, 0.001 for the classifier",
    "| SEQ*, classifiers allotted before (P+W+FixBC+Cos) | 84.51, 89.43 | 67.12, 75.54 |",
    "| SEQ* without that (W+FixBC+Cos) | 75.96, 74.29 | 53.76, 50.02 |",
    "| the same with a linear classifier (W+FixBC+Lin) | 19.06, 33.90 | 17.79, 40.93 |",
    "| sequential fine-tuning (SEQ, Lin) | 12.26, 28.33 | 14.88, 34.17 |",
    "| the best of others, CLINC150 (PCLL) | 47.09, 71.72 | 45.33, 72.25 |",
    "| the best of others, Banking77 (LAMOL_t) | 43.37, 67.77 | 57.00, 78.13 |",
    # the abstract of arXiv:2603.27707
    "| sequential full fine-tuning | 19.9 ± 4.8 |",
    "| the strongest EWC | 15.5 ± 1.4 |",
    "| one LoRA | 0.6 ± 1.4 |",
    # github.com/circle-hit/SAPT: gen_script_superni_t5.py, score.py
    "constant learning rate 0.0003; LoRA of rank 4, alpha 32",
    "| each task learned alone | 50.94, – |",
    # arXiv:2505.15424, Table 1, in copies
    "| O-LoRA | 26.37, 19.15 |",
    "| InfLoRA | 39.78, 7.64 |",
    "| GainLoRA on O-LoRA | 47.84, 2.26 |",
    "| GainLoRA on InfLoRA | 46.21, 2.40 |",
    # arXiv:2310.06762, Tables 1, 3 and 26, appendices 1 and 4.7, in a copy
    "a second one from appendix 4.7 of the paper",
    "| in full | rate 0.00001; 1, 1, 5, 5, 1, 5, 5 and 5 epochs |",
    "| a LoRA | rank 8, alpha 32, dropout 0.1, rate 0.0001; 5, 3, 7, 5, 3, 5, 5 and 7 epochs |",
    "| six examples in the prompt, nothing trained | 38.9, – |",
    "| sequential full fine-tuning | 48.7, −8.3 |",
    "| one sequential LoRA | 12.7, −45.7 |",
    "| replay, full | 55.5, 2.6 |",
    "| one model, second order (in which way, the paper does not say) | 32.9, −22.1 |",
    "| a model a task, 500 examples | 57.6, – |",
    "| one model of all tasks, 500 examples | 52.3, – |",
    "There they are drawn, at a temperature of 0.1.",
    # github.com/tanganke/fusion_bench: docs/modelpool/flan-t5_generation.md
    "| pretrained | 69.1 | 56.5 | 76.2 | 88.4 | 82.1 | 80.1 | 91.2 | 62.2 | 75.7 |",
    "| each task by its own LoRA | 69.1 | 82.7 | 85.5 | 90.9 | 84.0 | 84.4 | 92.9 | 87.4 | 84.6 |",
    "| simple average | 69.7 | 59.7 | 78.9 | 90.1 | 83.8 | 90.5 | 91.2 | 72.0 | 78.2 |",
    "| task arithmetic, λ = 0.3 | 68.8 | 55.2 | 78.7 | 89.8 | 83.7 | 79.1 | 91.5 | 72.4 | 77.4 |",
    "| TIES, λ = 0.3 | 68.3 | 56.3 | 79.4 | 89.8 | 83.7 | 79.4 | 91.6 | 71.2 | 77.5 |",
]


def pieces() -> Iterator[str]:
    """Yield what the row that does not add up should have; no benchmark was run here."""
    rte, others = 90.5, (69.7, 59.7, 78.9, 90.1, 83.8, 91.2, 72.0)
    as_printed, with_80 = (sum(others) + rte) / 8, (sum(others) + 80.5) / 8
    yield f"the eight have the mean {as_printed:.1f}. With 80.5 for RTE"
    yield f"they would have the {with_80:.1f} that is printed, so that the {rte} looks like a slip"
