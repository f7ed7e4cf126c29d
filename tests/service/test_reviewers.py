"""Reviewers in a browser: how they log in, and what of a report their pages may fetch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from fastapi.testclient import TestClient
from pages import app_of
from serving import StubHub, kept_log

from pipeline.project.folder import Project


@contextmanager
def reader(project: Project, hub: StubHub) -> Iterator[TestClient]:
    """Serve reports to the browser of a reviewer who has logged in.

    The Hub's library is as in JupyterHub 5: no `generate_pkce_code_challenge`, no `code_verifier`.
    """

    with TestClient(app_of(project, hub), follow_redirects=False) as client:
        sent = client.get("/services/mlf/reports")
        asked = parse_qs(urlsplit(sent.headers["location"]).query)
        assert asked.keys() == {"client_id", "redirect_uri", "response_type", "state"}
        back = client.get("/services/mlf/oauth_callback", params={"code": "rev", "state": asked["state"][0]})
        assert back.headers["location"] == "/services/mlf/reports"
        yield client


def test_a_reviewer_logs_in_and_opens_reports_as_pages_alone(project: Project, hub: StubHub) -> None:
    with reader(project, hub) as client:
        assert client.get("/services/mlf/reports").status_code == 200
        # A browser says what a page is wanted for: to be opened, or on behalf of another page's script or frame.
        opened = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin"}
        assert client.get("/services/mlf/reports", headers=opened).status_code == 200
        for mode, destination in (
            ("cors", "empty"),
            ("no-cors", "image"),
            ("navigate", "iframe"),
            ("navigate", "embed"),
        ):
            fetched = opened | {"Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": destination}
            assert client.get("/services/mlf/reports", headers=fetched).status_code == 403


def test_the_files_of_a_report_are_for_whose_page_names_them(project: Project, hub: StubHub) -> None:
    (project.reports_dir / "sprites").mkdir(parents=True)
    (project.reports_dir / "explorer.html").write_text('<p>all</p><script src="explorer_data.js"></script>')
    (project.reports_dir / "explorer_data.js").write_text("window.mlfSite={}")
    (project.reports_dir / "sprites" / "0000.jpg").write_bytes(b"a sprite")
    (project.reports_dir / "sprites" / "0001.jpg").symlink_to("/etc/passwd")
    elsewhere = {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script", "Sec-Fetch-Site": "cross-site"}
    with kept_log() as lines, reader(project, hub) as client:
        page = client.get("/services/mlf/reports/explorer.html")
        src = page.text.partition('<script src="')[2].partition('"')[0]
        files = src.removesuffix("explorer_data.js")
        rules = dict(rule.partition(" ")[::2] for rule in page.headers["content-security-policy"].split("; "))
        assert rules["img-src"] == f"data: http://testserver{files}sprites/"
        assert rules["script-src"].split()[1:] == [f"http://testserver{src}"]
        login = client.cookies.get("mlf-login")
        assert login
        assert login not in page.text
        client.cookies.clear()
        for name, kind in (("explorer_data.js", "text/javascript"), ("sprites/0000.jpg", "image/jpeg")):
            answer = client.get(files + name, headers=elsewhere)
            assert answer.status_code == 200
            assert answer.headers["content-type"].partition(";")[0] == kind
            assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        for name in ("explorer.html", "croissant.json", "sprites/0001.jpg", "sprites/..%2fexplorer.html", "sprites/"):
            assert client.get(files + name).status_code == 404
        key = files.rstrip("/").rpartition("/")[2]
        assert client.get(src.replace(key, key[::-1])).status_code == 404
        assert client.get(src.replace(key, login)).status_code == 404
        del hub.people["token-rev"]
        assert client.get(src).status_code == 401
        assert not [line for line in lines if key in line or login in line]


def test_no_number_of_strangers_ends_a_log_in_that_has_begun(project: Project, hub: StubHub) -> None:
    app = app_of(project, hub)
    with TestClient(app, follow_redirects=False) as reviewer:
        sent = reviewer.get("/services/mlf/reports/a.html")
        state = parse_qs(urlsplit(sent.headers["location"]).query)["state"][0]
        for _ in range(10):
            TestClient(app).get("/services/mlf/reports", follow_redirects=False)
        name = f"mlf-oauth-state-{state[:8]}"
        for forged in ("", state[:-1], sent.cookies[name]):
            callback = {"code": "rev", "state": forged}
            assert reviewer.get("/services/mlf/oauth_callback", params=callback).status_code == 403
        back = reviewer.get("/services/mlf/oauth_callback", params={"code": "rev", "state": state})
        assert (back.status_code, back.headers["location"]) == (302, "/services/mlf/reports/a.html")
        cookie = sent.cookies[name]
        reviewer.cookies.set(name, cookie[:-4] + "0000", path="/services/mlf/")
        assert reviewer.get("/services/mlf/oauth_callback", params={"code": "rev", "state": state}).status_code == 403
