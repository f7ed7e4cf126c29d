"""An annotator's page, its accessibility tree and the messages to it name no file."""

from __future__ import annotations

from pathlib import PurePosixPath

import pyarrow.parquet as pq
from playwright.sync_api import WebSocket


def test_page_accessible_tree_and_messages_hold_no_name_of_an_image(make_toybox, sit_down) -> None:
    project = make_toybox()
    table = pq.read_table(project.images_path)
    names = {name for column in ("image_id", "path") for name in table.column(column).to_pylist()}
    names |= {PurePosixPath(name).name for name in names}
    ada = sit_down(project)
    heard: list[bytes] = []

    def listen(socket: WebSocket) -> None:
        socket.on(
            "framereceived", lambda payload: heard.append(payload if isinstance(payload, bytes) else payload.encode())
        )

    ada.page.on("websocket", listen)
    ada.reloads_the_page()
    ada.clicks_in_the_widget()
    for number in range(2, 5):
        ada.presses("ArrowRight")
        ada.sees(number)
    ada.presses("1")
    ada.is_told_saved()
    told = b"\n".join(heard)
    assert ada.task(1).image_id.encode() in told  # the messages of the widget are among those heard
    shown = ada.page.content() + ada.page.locator("body").aria_snapshot()
    assert f"Image {ada.number}" in shown
    assert [name for name in names if name in shown] == []
    assert [name for name in names if name.encode() in told] == []
