"""The command ``workbench``; also ``python -m adapter_workbench``."""

from __future__ import annotations

import sys
from typing import NoReturn

from adapter_workbench._platform import refusal

REFUSED = 2
INTERRUPTED = 130  # 128 + the number of SIGINT


def main() -> None:
    """Run the command line; Ctrl-C while it is still being imported is one word too."""
    if why := refusal():
        _leave(REFUSED, f"Error: {why}")
    try:
        from adapter_workbench.experiments.cli import main as run

        run()
    except KeyboardInterrupt:
        _leave(INTERRUPTED, "Stopped.")


def _leave(code: int, message: str) -> NoReturn:
    if sys.stderr:
        sys.stderr.write(f"{message}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
