"""The main walk in WebKit, the engine of Safari: land, tick, go on, comment, undo, come back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait
from test_layouts import PRINTED, UNDO
from webkit import running_webkit

from pipeline.project.folder import Project
from pipeline.runs.jupyterlab import annotation_notebook, running_laboratory
from pipeline.sessions.local import LocalSession

PATIENCE_S = 60
PRESS = """const [code, key, shiftKey] = arguments;
const at = document.activeElement;
at.dispatchEvent(new KeyboardEvent("keydown", { code, key, shiftKey, bubbles: true, cancelable: true }));"""


class Walk:
    """Somebody at the annotation page in WebKit."""

    def __init__(self, driver: WebDriver, project: Project) -> None:
        self.driver, self.project = driver, project

    def waits_for(self, selector: str) -> None:
        WebDriverWait(self.driver, PATIENCE_S).until(lambda d: d.find_elements(By.CSS_SELECTOR, selector))

    def types(self, *keys: str) -> None:
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def sees(self, number: int) -> None:
        image_id = LocalSession(self.project, "ada").tasks([number - 1])[0].image_id
        self.waits_for(f'[data-mlf=annotator][data-ready=true][data-image-id="{image_id}"]')

    def state(self, number: int):
        self.waits_for('[data-mlf=annotator][data-saved="saved"]')
        return LocalSession(self.project, "ada").tasks([number - 1])[0].state

    def proposed(self, number: int) -> list[int]:
        return [p.class_index for p in LocalSession(self.project, "ada").tasks([number - 1])[0].proposals]


@pytest.fixture(scope="module")
def walk(make_toybox) -> Iterator[Walk]:
    project = make_toybox()
    notebook = annotation_notebook(project, "ada")
    with running_webkit() as driver, running_laboratory(project.root, notebook, open_browser=False) as laboratory:
        driver.get(laboratory.url)
        yield Walk(driver, project)


def test_a_person_lands_ticks_goes_on_comments_undoes_and_comes_back(walk: Walk) -> None:
    walk.sees(1)
    walk.types("2", Keys.ARROW_RIGHT)
    walk.sees(2)
    walk.types("n", "c")
    walk.types("hard to tell", Keys.ENTER)
    assert walk.state(1).votes == {walk.proposed(1)[1]: "yes"}
    assert (walk.state(2).none, walk.state(2).comment) == (True, "hard to tell")
    walk.types("z", "z")
    assert (walk.state(2).none, walk.state(2).comment) == (False, "")
    walk.driver.find_element(By.CSS_SELECTOR, "[data-mlf-action=next]").click()
    walk.sees(3)
    walk.driver.find_elements(By.CSS_SELECTOR, ".mlf-cards input")[0].click()
    assert walk.state(3).votes == {walk.proposed(3)[0]: "yes"}
    walk.driver.execute_script("sessionStorage.clear()")  # as in a new tab
    walk.driver.refresh()
    walk.sees(2)  # the first that is not done


@pytest.mark.parametrize("layout", PRINTED)
def test_keys_do_what_is_printed_on_them(walk: Walk, layout: str) -> None:
    number = 5 + list(PRINTED).index(layout)
    walk.types("j")
    walk.types(str(number), Keys.ENTER)
    walk.sees(number)
    *votes, search = PRINTED[layout]
    for code, key, shift in votes:
        walk.driver.execute_script(PRESS, code, key, shift)
    proposed = walk.proposed(number)
    assert walk.state(number).votes == {proposed[15]: "yes", proposed[1]: "yes", proposed[2]: "unsure"}
    walk.driver.execute_script(PRESS, *UNDO[layout], False)
    assert walk.state(number).votes == {proposed[15]: "yes", proposed[1]: "yes"}
    walk.driver.execute_script(PRESS, *search)
    walk.waits_for("dialog.mlf-dialog-search[open]")
    walk.types(Keys.ESCAPE)
