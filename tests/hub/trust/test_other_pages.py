"""Can a page make a browser act, or read, for somebody else?"""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest
from curious import AS_ROOT
from hub_fixtures import fetch
from playwright.sync_api import Browser, Page
from serving import wait_until

pytestmark = AS_ROOT


#: What a researcher may run: a server that shows pages of her own to anybody, logged in or not.
OWN_PAGES = '''
import sys
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.auth.decorator import allow_unauthenticated
WORKER = """
self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => {
  if (event.request.url.includes('/services/mlf/'))
    event.respondWith(fetch(event.request).then(async (answer) => {
      const copy = answer.clone();
      const text = await copy.text();
      const found = text.includes('findings') ? text : '';
      return new Response('STOLEN:' + found, {headers: {'content-type': 'text/html'}});
    }));
});
"""
class Page(JupyterHandler):
    @allow_unauthenticated
    def get(self):
        if self.request.path.endswith("worker.js"):
            self.set_header("Content-Type", "text/javascript")
            self.set_header("Service-Worker-Allowed", "/")
            self.finish(WORKER)
        else:
            self.set_header("Content-Type", "text/html")
            self.finish("<h1>nothing to see here</h1>")
def add(server):
    base = server.web_app.settings["base_url"]
    server.web_app.add_handlers(".*$", [(base + "evil/.*", Page)])
import types
module = types.ModuleType("evil_pages")
module._jupyter_server_extension_points = lambda: [{"module": "evil_pages"}]
module._load_jupyter_server_extension = add
sys.modules["evil_pages"] = module
c.ServerApp.jpserver_extensions = {"evil_pages": True}
'''
STEAL = """async (reports) => {
  const stolen = [];
  for (const how of [{}, {mode: 'no-cors'}, {headers: {accept: 'text/html'}}, {credentials: 'include'}]) {
    const text = await fetch(reports + '/findings.html', how).then((a) => a.text(), () => '');
    if (text.includes('the findings')) stolen.push('fetched');
  }
  const frame = document.createElement('iframe');
  frame.src = reports + '/findings.html';
  document.body.append(frame);
  await new Promise((done) => { frame.onload = done; setTimeout(done, 3000); });
  try { if (frame.contentDocument.body.innerText.includes('the findings')) stolen.push('framed'); } catch {}
  return stolen;
}"""


@pytest.fixture(scope="module")
def evil(place: SimpleNamespace, people: dict[str, Any]) -> None:
    """Let Maria's server show pages of her own making."""
    home = place.hub.state / "homes" / "maria"
    (home / ".jupyter").mkdir(exist_ok=True)
    (home / ".jupyter" / "jupyter_server_config.py").write_text(OWN_PAGES)
    uid = place.hub.accounts["maria"].uid
    for path in (home / ".jupyter", home / ".jupyter" / "jupyter_server_config.py"):
        os.chown(path, uid, uid)
    maria = people["maria"]
    headers = {"X-XSRFToken": maria._token("/hub/"), "Referer": place.hub.url + "hub/home"}
    maria.client.delete("hub/api/users/maria/server", headers=headers)
    wait_until(lambda: maria.client.get("user/maria/api").status_code != 200, 180, lambda: "the session lives on")
    maria.start_session()
    assert "nothing to see here" in fetch(place.hub.url + "user/maria/evil/page").text


def enter(browser: Browser, place: SimpleNamespace, name: str) -> Page:
    page = browser.new_context().new_page()
    page.set_default_timeout(120_000)
    page.goto(place.hub.url)
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(place.hub.passwords[name])
    page.keyboard.press("Enter")
    return page


@pytest.mark.browser
def test_another_sessions_page_cannot_read_reports(place: SimpleNamespace, evil: None, browser: Browser) -> None:
    tom = enter(browser, place, "tom")
    tom.get_by_role("link", name="findings").click()
    tom.get_by_role("heading", name="the findings").wait_for()
    tom.goto(place.hub.url + "user/maria/evil/page")
    assert tom.evaluate(STEAL, place.reports) == []
    with tom.expect_popup() as opened:
        tom.evaluate("(url) => { window.other = window.open(url); }", f"{place.reports}/findings.html")
    opened.value.get_by_role("heading", name="the findings").wait_for()  # Tom himself may read it
    read = "() => { try { return window.other.document.body.innerText; } catch (error) { return error.name; } }"
    assert "the findings" not in str(tom.evaluate(read))
    tom.context.close()


@pytest.mark.browser
def test_a_worker_of_another_sessions_page_cannot_read_reports(
    place: SimpleNamespace, evil: None, browser: Browser
) -> None:
    """A server can put its own script between a browser and all pages of its origin."""
    tom = enter(browser, place, "tom")
    tom.get_by_role("link", name="findings").wait_for()
    tom.goto(place.hub.url + "user/maria/evil/page")
    tom.evaluate(
        "(url) => navigator.serviceWorker.register(url, {scope: '/'}).then(() => navigator.serviceWorker.ready)",
        place.hub.url + "user/maria/evil/worker.js",
    )
    tom.goto(place.hub.url + "services/mlf/reports/findings.html")
    assert "STOLEN:" in tom.content()  # the worker does stand in between
    assert "the findings" not in tom.content()
    tom.context.close()
