"""The reports' pages, for reviewers and researchers in a browser: log-in through the Hub, then plain files.

A report is shown in a sandbox, in which the site's own script runs and nothing else (:mod:`.report_policy`). It is an
origin of its own, and a log-in counts only for a report that is opened as a page. So another page of the hub, such as
one made up by a researcher's server, can neither fetch a report with its reader's log-in nor look into it.

Browsers send no log-in with what a page of such an origin loads. So the explorer's file and thumbnails lie below a path
that is a secret of the log-in: it stands in the page alone, opens those files alone, and ends with the log-in.
"""

import asyncio
import html
import re
from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pipeline.hub.accounts import Role
from pipeline.runs.page import METADATA_FILE, pages_in
from pipeline.service.admission import Refusal, Service, require
from pipeline.service.identity import Caller
from pipeline.service.logins import BrowserLogins, check_is_page
from pipeline.service.people import ERRORS
from pipeline.service.report_policy import REPORT_FILE, WITHOUT_SCRIPTS, policy_of_page, with_files_at

_REPORT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_. -]{0,150}\.html")
_OVERVIEW = "index.html"
#: The purpose of the secret below which a log-in finds the files beside a page.
_FILES = "files of reports"


def reports_router(  # noqa: C901 - it only lists the routes
    service: Service, logins: BrowserLogins, prefix: str
) -> APIRouter:
    """Return the routes."""
    router = APIRouter(responses=ERRORS)

    async def reader(request: Request) -> AsyncIterator[Caller | None]:
        check_is_page(request)
        caller = await logins.known(request, Role.REVIEWERS, Role.RESEARCHERS)
        if caller is None:
            yield None
            return
        async with service.turn_of(caller.name, "report"):  # until all of the answer is sent
            yield caller

    Reader = Annotated[Caller | None, Depends(reader)]  # noqa: N806 - a type

    @router.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def landing(request: Request, caller: Reader) -> Response:
        """Lead to the overview of the report, where reviewers land, or to the list while there is none."""
        if caller is None:
            return logins.log_in(request)
        name = f"/{_OVERVIEW}" if (service.project.reports_dir / _OVERVIEW).is_file() else ""
        return RedirectResponse(f"{prefix}/reports{name}", 302)

    @router.get("/reports", response_class=HTMLResponse)
    async def reports(request: Request, caller: Reader) -> Response:
        """List the reports."""
        if caller is None:
            return logins.log_in(request)
        return HTMLResponse(_list_page(service, prefix), headers={"Content-Security-Policy": WITHOUT_SCRIPTS})

    @router.get("/reports/{name}", response_class=HTMLResponse)
    async def report(request: Request, caller: Reader, name: str) -> Response:
        """Return one report."""
        if caller is None:
            return logins.log_in(request)
        if name != METADATA_FILE and not _REPORT_NAME.fullmatch(name):
            raise _no_such_report()
        content = await read(caller, name)
        if name == METADATA_FILE:
            return Response(content, media_type="application/json")
        page = content.decode("utf-8", errors="replace")
        key = logins.key_for(_FILES, request)
        at = f"{prefix}/reports/files/{key}/" if key else ""
        host = request.headers.get("x-forwarded-host", request.headers.get("host", ""))
        policy = policy_of_page(page, host, at)
        return HTMLResponse(with_files_at(page, at), headers={"Content-Security-Policy": policy})

    @router.get("/reports/files/{key}/{name:path}", include_in_schema=False)
    async def report_file(request: Request, key: str, name: str) -> Response:
        request.scope["path"] = f"{prefix}/reports/files/…/{name}"  # the log keeps no secret
        token = logins.token_of(key, _FILES)
        if not token or not REPORT_FILE.fullmatch(name):
            raise _no_such_report()
        caller = await service.admit(request, token)
        require(caller, Role.REVIEWERS, Role.RESEARCHERS)
        async with service.turn_of(caller.name, "report"):
            content = await read(caller, name)
        # The page that asks is an origin of its own.
        headers = {"Cross-Origin-Resource-Policy": "cross-origin", "Cache-Control": "private, max-age=600"}
        return Response(
            content, media_type="text/javascript" if name.endswith(".js") else "image/jpeg", headers=headers
        )

    async def read(caller: Caller, name: str) -> bytes:
        """Return a file of the reports, and count its size; refuses what is no plain file of that folder."""
        path = service.project.reports_dir / name
        if path.is_symlink() or path.parent.is_symlink() or not path.is_file():
            raise _no_such_report()
        limits = service.limits
        service.charge(caller, min(path.stat().st_size / limits.report_bytes_a_request, limits.burst / 2))
        return await asyncio.to_thread(path.read_bytes)

    return router


def _no_such_report() -> Refusal:
    return Refusal(404, "NotFound", "there is no such report")


def _list_page(service: Service, prefix: str) -> str:
    folder = service.project.reports_dir
    shown = [
        page for page in pages_in(folder) if _REPORT_NAME.fullmatch(page.file) and not (folder / page.file).is_symlink()
    ]
    links = "".join(
        f'<li><a href="{prefix}/reports/{quote(page.file)}">{html.escape(page.title)}</a></li>' for page in shown
    )
    project = html.escape(service.project.settings.project.name)
    body = (
        f"<ul>{links}</ul>" if shown else "<p>There are no reports yet. Researchers make them from the notebooks.</p>"
    )
    style = "body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Reports: {project}</title>'
        f"<style>{style}</style><h1>Reports: {project}</h1>{body}</html>"
    )
