"""A real WebKit (the engine of Safari) by Debian's `webkit2gtk-driver`, on a screen that nobody sees."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.webkitgtk.service import Service
from serving import free_port

DRIVER = Path("/usr/bin/WebKitWebDriver")


def mini_browser() -> Path | None:
    """Return the browser that the driver drives, or None where it is not installed."""
    return next(iter(sorted(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"), reverse=True)), None)


@contextmanager
def running_webkit() -> Iterator[WebDriver]:
    """Run WebKit until the block ends; skip where it is not installed."""
    browser, screen = mini_browser(), shutil.which("Xvfb")
    if browser is None or not DRIVER.exists() or screen is None:
        pytest.skip("no WebKit with a driver and a screen; install webkit2gtk-driver and xvfb (make system-packages)")
    read, write = os.pipe()
    display = subprocess.Popen([screen, "-displayfd", str(write), "-screen", "0", "1400x900x24"], pass_fds=[write])
    os.close(write)
    with os.fdopen(read) as told:
        number = told.readline().strip()
    environment = os.environ | {
        "DISPLAY": f":{number}",
        "GDK_BACKEND": "x11",
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",  # root has no sandbox, and the pages are ours
    }
    options = webdriver.WebKitGTKOptions()
    options.binary_location = str(browser)
    options.add_argument("--automation")
    driver = None
    try:
        driver = webdriver.WebKitGTK(options=options, service=Service(str(DRIVER), port=free_port(), env=environment))
        yield driver
    finally:
        if driver is not None:
            driver.quit()
        display.terminate()
        display.wait(60)
