"""The first load of a hub session over a slow line: what its bytes are, and when the first image is there.

A person whose browser has nothing yet logs in at a real hub, over a line of 1 Mbit/s with a round trip of 200 ms. The
line lies in this program, between browser and hub, so that web sockets are as slow as everything else. Times run from
the key press in the log-in form; the person's server and kernel start meanwhile.

    python benchmarks/first_load.py [--light] [--loads 3]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from hub import installed_proxy, running_hub
from lab_server import launch_chromium
from light import with_light_sessions
from photographs import make_photograph_project
from playwright.sync_api import Browser, sync_playwright
from widget import PHOTOGRAPHS

from pipeline.hub.accounts import Role
from pipeline.hub.launch import PreparedHub

BITS_A_SECOND, ROUND_TRIP_S = 1e6, 0.2
N_IMAGES = 40
_PIECE = 4096
#: What an address has, and what its bytes are called; the first match counts.
_KINDS = (
    (r"/voila/static/voila-style|\.css|/themes/", "styles"),
    (r"/voila/static/", "Voilà and the JupyterLab in it"),
    (r"/labextensions/", "their extensions for widgets"),
    (r"/voila/render/", "the page itself"),
    (r"/services/", "the light page and its files"),
    (r"", "log-in, and waiting for the server"),
)
#: Notes when the first image can be seen, and when the first image and its labels are all painted.
_PROBE = """() => {
    const seen = (window.mlfSeen = {});
    const look = () => {
        const now = performance.timeOrigin + performance.now();
        const root = document.querySelector("[data-mlf][data-image-id]");
        const image = document.querySelector("#mlf-first-image img, img[data-mlf-position]");
        const isDrawn = root !== null && root.querySelector(".mlf-stage-wait") === null;
        if (isDrawn || (image?.complete && image.naturalWidth > 0)) seen.image ??= now;
        if (root?.dataset.ready === "true") seen.all ??= now;
        if (seen.all === undefined) setTimeout(look, 20);
    };
    look();
}"""


class SlowLine:
    """A line to one port of this machine, as slow as a poor one.

    Parameters
    ----------
    port
        Where it leads.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._free_s = {"up": 0.0, "down": 0.0}
        self.n_bytes = 0
        self.port = 0

    async def serve(self, is_up: threading.Event) -> None:
        """Take connections until cancelled."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        is_up.set()
        await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(ROUND_TRIP_S)  # TCP's own greeting
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to)
        await asyncio.gather(self._carry(reader, to_writer, "up"), self._carry(to_reader, writer, "down"))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        loop = asyncio.get_running_loop()

        def arrive(piece: bytes) -> None:
            if not writer.is_closing():  # a browser that has gone takes no more of what is on its way
                writer.write(piece)

        with suppress(ConnectionError):
            while piece := await reader.read(_PIECE):
                # All connections share the line: a piece goes once those before it have gone.
                sent_s = max(loop.time(), self._free_s[way]) + 8 * len(piece) / BITS_A_SECOND
                self._free_s[way] = sent_s
                self.n_bytes += len(piece) if way == "down" else 0
                loop.call_at(sent_s + ROUND_TRIP_S / 2, arrive, piece)
                await asyncio.sleep(sent_s - loop.time())
        await asyncio.sleep(ROUND_TRIP_S)
        with suppress(ConnectionError, OSError):
            writer.close()


@contextmanager
def slow_line(port: int) -> Iterator[SlowLine]:
    """Run a slow line to a port until the block ends."""
    line, is_up, loop = SlowLine(port), threading.Event(), asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(line.serve(is_up)), daemon=True)
    thread.start()
    is_up.wait()
    yield line


def first_load(browser: Browser, hub: PreparedHub, name: str) -> tuple[dict[str, float], Counter[str]]:
    """Log in as somebody who has never been there; return seconds from the key press, and bytes by kind."""
    split = urlsplit(hub.url)
    kinds: Counter[str] = Counter()
    with slow_line(split.port or 80) as line:
        page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        page.set_default_timeout(180_000)
        page.add_init_script(f"({_PROBE})()")
        network, addresses = page.context.new_cdp_session(page), {}
        network.send("Network.enable")
        network.on("Network.responseReceived", lambda e: addresses.update({e["requestId"]: e["response"]["url"]}))
        network.on(
            "Network.loadingFinished",
            lambda e: kinds.update({_kind(addresses.get(e["requestId"], "")): int(e["encodedDataLength"])}),
        )
        page.goto(f"http://127.0.0.1:{line.port}{split.path}")
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(hub.passwords[name])
        n_before, began = line.n_bytes, time.time()
        page.keyboard.press("Enter")
        page.locator('[data-mlf="annotator"][data-ready="true"]').wait_for()
        page.wait_for_timeout(100)
        seen = page.evaluate("() => window.mlfSeen")
        kinds["all, with the kernel's messages"] = line.n_bytes - n_before
        page.context.close()
    return {
        "first image on the screen": seen["image"] / 1000 - began,
        "with its labels and examples": seen["all"] / 1000 - began,
    }, kinds


def _kind(address: str) -> str:
    path = urlsplit(address).path
    return next(name for pattern, name in _KINDS if re.search(pattern, path))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--light", action="store_true", help="sessions without a server of their own")
    parser.add_argument("--loads", type=int, default=3, help="people who log in, one after the other")
    given = parser.parse_args()
    if not PHOTOGRAPHS.is_dir():
        sys.exit(f"no photographs at {PHOTOGRAPHS}; set MLF_SHARED_DATA to the folder that holds imagenet_samples")
    print(f"load average before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    names = [f"ann{number}" for number in range(given.loads)]
    with tempfile.TemporaryDirectory(prefix="mlf-load-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o711)
        project = make_photograph_project(folder / "data", PHOTOGRAPHS, N_IMAGES, names, n_examples=10)
        project = with_light_sessions(project) if given.light else project
        people = {name: [Role.ANNOTATORS] for name in names}
        with (
            running_hub(project, people, folder / "hub", installed_proxy(folder / "proxy")) as hub,
            sync_playwright() as playwright,
        ):
            browser = launch_chromium(playwright)
            found = [first_load(browser, hub, name) for name in names]
            browser.close()
    for what in found[0][0]:
        seconds = [times[what] for times, _ in found]
        print(f"{what:<32} {statistics.median(seconds):6.1f} s  ({min(seconds):.1f} to {max(seconds):.1f})")
    for kind, n_bytes in found[-1][1].most_common():
        print(f"{kind:<32} {n_bytes / 1000:6.0f} kB")


if __name__ == "__main__":
    main()
