"""A browser without a window, and JupyterLab for it."""

import contextlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.jupyter import PATIENCE, ending_what_it_starts, server

#: A folder for pictures of what the browser shows; none are taken where it is not set.
SCREENSHOTS = "AUTOGRADER_SCREENSHOTS"

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The tests look the same with and without a network.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@pytest.fixture(scope="session")
def programs() -> tuple[str, str]:
    """The browser and its driver, where everything is there that is needed."""
    for module in ("selenium", "jupyterlab", "nbgrader"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed (the extra `dev` has it)")
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (browser and driver):
        pytest.skip("no chromium and chromedriver here (Debian: apt-get install chromium chromium-driver)")
    return browser, driver


@pytest.fixture
def browser(programs: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A window of 1100 x 900 pixels with a profile of its own."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for flag in (*_FLAGS, "--window-size=1100,900", f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    with ending_what_it_starts():
        driver = webdriver.Chrome(options, webdriver.ChromeService(programs[1], log_output=subprocess.DEVNULL))
        try:
            driver.set_page_load_timeout(PATIENCE)
            yield driver
        finally:
            driver.quit()


@pytest.fixture
def serve(programs: tuple[str, str], tmp_path: Path) -> Iterator[Callable[[Path, str], str]]:  # noqa: ARG001
    """Start JupyterLab in a folder; gives the address of a page of it, with the token."""
    with contextlib.ExitStack() as ending:

        def start(folder: Path, page: str) -> str:
            return ending.enter_context(server(folder, tmp_path / "jupyter")).format(page)

        yield start


@pytest.fixture
def picture(browser: Any) -> Callable[[str], None]:
    """Save what the browser shows, where somebody wants to look at it."""

    def take(name: str) -> None:
        if folder := os.environ.get(SCREENSHOTS):
            Path(folder).mkdir(parents=True, exist_ok=True)
            browser.save_screenshot(str(Path(folder, f"{name}.png")))

    return take
