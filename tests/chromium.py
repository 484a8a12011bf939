"""The browser that tests look at pages with: the Chromium or Chrome that is on the PATH."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = "--no-sandbox --disable-gpu --disable-background-networking --disable-quic --no-first-run --disable-sync"


@contextmanager
def opened() -> Iterator[Browser]:
    """Yield the browser, without a window; it asks no server of its maker's."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield browser
        browser.close()
