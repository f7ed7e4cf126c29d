"""A thousand real photographs in the label space of ImageNet."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from pipeline.annotation.session import TaskFilter

pytestmark = pytest.mark.shared_data

N_LOOKED_AT = 200
MAX_NOTEBOOK_BYTES = 50_000


@pytest.mark.notebook_alone
def test_photographs_are_labelled_and_nothing_of_200_of_them_ends_up_in_the_notebook(photographs, sit_down) -> None:
    ada = sit_down(photographs)
    first, second = ada.proposed(1)[1], ada.proposed(1)[16]
    ada.clicks_in_the_widget()
    ada.presses("2", "u")
    expect(ada.box(second)).to_be_checked()
    ada.presses("c")
    ada.page.keyboard.type("two of them, I think")
    ada.presses("Enter", "ArrowRight")
    ada.sees(2)
    for number in range(2, N_LOOKED_AT + 1):
        ada.presses("1" if number % 3 else "n", "ArrowRight")
        ada.sees_an_image()
    ada.sees(N_LOOKED_AT + 1)
    ada.is_told_saved()
    assert ada.session().open().progress.n_done == N_LOOKED_AT
    saved = ada.saves_the_notebook()
    assert len(saved.encode()) < MAX_NOTEBOOK_BYTES
    assert "two of them" not in saved
    assert "widgets" not in json.loads(saved)["metadata"]
    assert photographs.label_space.names[first] not in saved
    for comes_back in (ada.reloads_the_page, ada.restarts_the_kernel):
        comes_back()
        ada.sees(N_LOOKED_AT + 1)
        ada.clicks_in_the_widget()
        ada.jumps_to(1)
        expect(ada.root.get_by_label("Comment on this image")).to_have_value("two of them, I think")
        expect(ada.box(first)).to_be_checked()
        ada.jumps_to(N_LOOKED_AT + 1)
    assert ada.state(1).votes == {first: "yes", second: "yes"}
    assert ada.session().find(TaskFilter.NOT_DONE, 0, 1) == N_LOOKED_AT
