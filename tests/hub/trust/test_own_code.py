"""What sessions hold, serve and run: nothing of the Hub's, and no code of annotators."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from curious import AS_ROOT, log_of_session
from intruder import run_as
from serving import wait_until

from pipeline.hub.launch import hub_log

pytestmark = AS_ROOT


#: Files of a home that Python, IPython, Jupyter or Voilà run, and what each of them does when it is run.
MARK = "import pathlib; pathlib.Path({home!r}, 'ran {name}').touch()\n"
IN_A_HOME = (
    ".jupyter/jupyter_server_config.py",
    ".jupyter/jupyter_config.py",
    ".jupyter/voila.py",
    "voila.py",
    "jupyter_server_config.py",
    ".ipython/profile_default/startup/00.py",
    ".ipython/profile_default/ipython_kernel_config.py",
    ".ipython/profile_default/ipython_config.py",
    ".local/lib/python{python}/site-packages/usercustomize.py",
    ".local/lib/python{python}/site-packages/mark.pth",
    ".local/lib/python{python}/site-packages/httpx.py",
    "ipykernel_launcher.py",
    "httpx.py",
)
KERNEL = {"argv": ["/bin/sh", "-c", "touch {home}/ran-kernel; exit 1"], "display_name": "x", "language": "python"}


def test_a_session_holds_no_descriptor_of_a_file_of_the_hubs(place: SimpleNamespace, people: dict[str, Any]) -> None:
    code = (
        "import json, os\nfound = {}\n"
        "for pid in filter(str.isdecimal, os.listdir('/proc')):\n"
        "    try:\n"
        "        if os.stat(f'/proc/{pid}').st_uid == os.getuid() and int(pid) != os.getpid():\n"
        "            for fd in os.listdir(f'/proc/{pid}/fd'):\n"
        "                found[f'{pid} {fd}'] = os.readlink(f'/proc/{pid}/fd/{fd}')\n"
        "    except OSError:\n        pass\n"
        "print('RESULT' + json.dumps(found))"
    )
    found = run_as(place.hub, "maria", code)
    assert len(found) > 3
    state = str(place.hub.state)
    own = f"{state}/homes/maria/"
    assert [to for to in found.values() if to.startswith(state) and not to.startswith(own)] == []
    assert [to for to in found.values() if to.startswith(("/dev/pts", "/dev/tty"))] == []
    assert hub_log(place.hub.state).stat().st_size > 0
    wait_until(lambda: "maria" in log_of_session(place, "maria"), 60, lambda: "the session has printed nothing")


def plant(place: SimpleNamespace, name: str) -> Path:
    """Put files that would be run into somebody's home, as an earlier role or version may have let them do."""
    home = place.hub.state / "homes" / name
    for path in IN_A_HOME:
        file = home / path.format(python=f"{sys.version_info.major}.{sys.version_info.minor}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(MARK.format(home=str(home), name=path.replace("/", "-")))
    kernel = home / ".local" / "share" / "jupyter" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True, exist_ok=True)
    kernel.write_text(json.dumps(KERNEL).replace("{home}", str(home)))
    uid = place.hub.accounts[name].uid
    for path in (home, *home.rglob("*")):
        os.chown(path, uid, uid)
    return home


def test_an_annotators_session_runs_nothing_of_what_lies_in_their_home(place: SimpleNamespace) -> None:
    home = plant(place, "cleo")
    cleo = place.tools.Person(place.hub, "cleo")
    cleo.log_in()
    cleo.start_session()

    async def work() -> str:
        link = place.tools.WidgetLink(cleo.client, place.tools.PAGE.format(name="cleo"))
        await link.open()
        name = (await link.request("open"))["annotator"]
        link.close()
        return str(name)

    assert asyncio.run(work()) == "cleo"
    assert [path.name for path in home.iterdir() if path.name.startswith("ran")] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "api/contents"),
        ("PUT", "api/contents/evil.html"),
        ("POST", "api/contents"),
        ("DELETE", "api/contents/2_annotate.ipynb"),
        ("GET", "files/2_annotate.ipynb"),
        ("POST", "api/kernels"),
        ("GET", "api/kernels"),
        ("POST", "api/sessions"),
        ("POST", "api/kernels/12345678-1234-1234-1234-123456789012/restart"),
        ("DELETE", "api/kernels/12345678-1234-1234-1234-123456789012"),
        ("GET", "api/terminals"),
        ("POST", "api/terminals"),
        ("GET", "terminals/websocket/1"),
        ("PUT", "api/config/notebook"),
        ("POST", "api/shutdown"),
        ("POST", "nbconvert/html"),
        ("GET", "nbconvert/html/2_annotate.ipynb"),
        ("GET", "lab"),
        ("GET", "tree"),
        ("GET", "doc"),
        ("GET", "voila/tree"),
        ("GET", "voila/files/2_annotate.ipynb"),
        ("GET", "voila/api/contents/"),
        ("GET", "voila/render/4_refine.ipynb"),
        ("GET", "voila/execution/12345678-1234-1234-1234-123456789012"),
        ("GET", "api/events/subscribe"),
        ("POST", "api/events"),
        ("GET", "lsp/status"),
        ("PATCH", "api"),
    ],
)
def test_an_annotators_session_serves_its_page_and_nothing_else(
    place: SimpleNamespace, people: dict[str, Any], method: str, path: str
) -> None:
    client = people["ada"].client
    headers = {"X-XSRFToken": people["ada"]._token("/user/ada/")}
    base = httpx.URL(place.hub.url + "user/ada/")
    url = base.copy_with(raw_path=base.raw_path + path.encode())
    assert client.request(method, url, headers=headers, json={}, follow_redirects=False).status_code == 404


def test_an_annotators_kernel_is_told_nothing_that_runs_code(place: SimpleNamespace, people: dict[str, Any]) -> None:
    ada = people["ada"]
    mark = place.hub.state / "homes" / "ada" / "told to run"
    code = f"import pathlib; pathlib.Path({str(mark)!r}).touch()"
    told = {
        "execute_request": {"code": code, "silent": True, "user_expressions": {"x": "1"}},
        "debug_request": {"type": "request", "command": "evaluate", "arguments": {"expression": code}},
        "complete_request": {"code": "import o", "cursor_pos": 8},
        "inspect_request": {"code": "print", "cursor_pos": 5, "detail_level": 1},
        "input_reply": {"value": code},
        "create_subshell_request": {},
        "shutdown_request": {"restart": False},
    }

    async def talk() -> str:
        link = place.tools.WidgetLink(ada.client, place.tools.PAGE.format(name="ada"))
        await link.open()
        for kind, content in told.items():
            for channel in ("shell", "control", "stdin"):
                await link.send(kind, content, channel)
        name = (await link.request("open"))["annotator"]  # the kernel answers, so it has read what came before
        link.close()
        return str(name)

    assert asyncio.run(talk()) == "ada"
    assert not mark.exists()
