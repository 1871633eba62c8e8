"""A student at work in JupyterLab, as the student sees it."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.browser.jupyter import PATIENCE

ROOT = Path(__file__).parents[2]


class _Notebook:
    """A notebook that is open in the browser, used by mouse and keyboard. A cell is named by how its text begins."""

    def __init__(self, browser: Any, address: str) -> None:
        self._browser = browser
        browser.get(address)
        self._wait(lambda: browser.find_elements("css selector", ".jp-Notebook-ExecutionIndicator[data-status='idle']"))

    def write(self, begin: str, text: str) -> None:
        """Put `text` in the place of all that the cell has, as if it were pasted."""
        from selenium.webdriver import Keys

        self._press(begin, Keys.CONTROL, "a")
        self._browser.execute_cdp_cmd("Input.insertText", {"text": text})

    def run(self, begin: str) -> Any:
        """Run the cell to its end; gives its output."""
        from selenium.webdriver import Keys

        def number() -> str:
            return str(_part(self._cell(begin), ".jp-InputPrompt").text)

        before = number()
        self._press(begin, Keys.SHIFT, Keys.ENTER)
        self._wait(lambda: number() != before and re.fullmatch(r"\[\d+\]:", number()))
        output = _part(self._cell(begin), ".jp-Cell-outputArea")
        self._show(output)
        return output

    def _press(self, begin: str, modifier: str, key: str) -> None:
        from selenium.webdriver import ActionChains

        line = _part(self._cell(begin), ".cm-line")
        self._show(line)
        line.click()
        ActionChains(self._browser).key_down(modifier).send_keys(key).key_up(modifier).perform()

    def _cell(self, begin: str) -> Any:
        """Looked for anew each time: cells out of sight come and go."""

        def found() -> Any:
            cells = self._browser.find_elements("css selector", ".jp-CodeCell:has(.cm-content)")
            return next((cell for cell in cells if _text(_part(cell, ".cm-content")).startswith(begin)), None)

        return self._wait(found)

    def _show(self, element: Any) -> None:
        self._browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)

    def _wait(self, condition: Callable[[], Any]) -> Any:
        """What `condition` gives, as soon as that is something."""
        from selenium.common import StaleElementReferenceException
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(self._browser, PATIENCE, ignored_exceptions=[StaleElementReferenceException])
        return wait.until(lambda _: condition())


def _part(element: Any, selector: str) -> Any:
    return element.find_element("css selector", selector)


def _text(element: Any) -> str:
    """Also of what is out of sight."""
    return str(element.get_property("textContent"))


def _rows(output: Any) -> list[str]:
    return [row.text for row in output.find_elements("css selector", "tr")]


def test_a_student_mends_the_race(
    browser: Any, serve: Callable[[Path, str], str], tmp_path: Path, picture: Callable[[str], None]
) -> None:
    """As it was handed out, the bank loses money, and the table shows how; with locks in the cell all checks pass."""
    shutil.copytree(ROOT / "assignments" / "03_race", tmp_path / "03_race")
    notebook = _Notebook(browser, serve(tmp_path / "03_race", "lab/tree/race.ipynb"))
    assert "" == notebook.run("%load_ext").text
    solution, check = "%%exercise race", "%check race"

    assert "" == notebook.run(solution).text
    output = notebook.run(check)
    picture("lab_failed")
    assert output.text.startswith("race: 1 of 6.5 points")
    rows = _rows(output)
    (lost,) = (number for number, row in enumerate(rows) if row.startswith("✗ failed Deposits on one account"))
    assert "thread 1: a.deposit(5)" in rows[lost + 1]

    notebook.write(solution, "%%exercise race\n" + (ROOT / "solutions" / "03_race" / "race.py").read_text())
    assert "" == notebook.run(solution).text
    output = notebook.run(check)
    picture("lab_passed")
    assert output.text.startswith("race: 6.5 of 6.5 points")
    assert ["✓ passed"] * 10 == [row[:8] for row in _rows(output)]
