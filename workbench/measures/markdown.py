"""Text of any origin in Markdown: labels, names and descriptions that are shown as they stand."""

from __future__ import annotations

import re

from adapter_workbench.workbench.errors.printable import printable

ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"}
SIGNS = str.maketrans(ENTITIES | {sign: f"\\{sign}" for sign in "\\|*_`[~"})


def escape(text: str) -> str:
    """Return text of any origin as one line that Markdown shows as it stands, in a paragraph or in a table.

    Showdown, which MLflow's UI uses with the habits of GitHub, takes a backslash before most signs only. It makes links
    of addresses and ``@names``, and pictures of ``:words:``.
    """
    line = printable(text, None).strip().translate(SIGNS)
    line = re.sub(r":(?=\S)", r"\\:", line)
    line = re.sub(r"(?i)\b(www)\.", r"\1\\.", line)
    return re.sub(r"^(\d*)(?=[#+=.)-])", r"\1\\", line)  # what makes a heading or a list, at the beginning only


def code(text: str) -> str:
    """Return text of any origin as code on one line: between as many backticks as it has not itself."""
    line = printable(text, None)
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    space = " " if "`" in line else ""
    return f"{fence}{space}{line}{space}{fence}"
