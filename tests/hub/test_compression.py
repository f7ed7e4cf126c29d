"""What a session's server compresses on the way, and what it leaves alone."""

from __future__ import annotations

import gzip

from tornado.testing import AsyncHTTPTestCase
from tornado.web import Application, RequestHandler

from pipeline.hub.compression import compress

SCRIPT = "const answer = 42;\n" * 500


class Script(RequestHandler):
    def get(self) -> None:
        self.set_header("Content-Type", "text/javascript")
        self.set_header("Cache-Control", "no-cache")
        self.set_status(int(self.get_argument("status", "200")))
        self.write(SCRIPT)


class TestCompression(AsyncHTTPTestCase):
    def get_app(self) -> Application:
        application = Application([("/.*", Script)])
        compress(application)
        return application

    def get(self, path: str) -> tuple[dict[str, str], bytes]:
        answer = self.fetch(path, headers={"Accept-Encoding": "gzip"}, decompress_response=False)
        return dict(answer.headers), answer.body

    def test_static_files_arrive_compressed_and_whole(self) -> None:
        for path in ("/user/ada/voila/static/voila.js", "/user/ada/voila/labextensions/anywidget/static/1.js"):
            headers, body = self.get(path)
            assert headers["Content-Encoding"] == "gzip"
            assert headers["Cache-Control"] == "no-cache"
            assert gzip.decompress(body).decode() == SCRIPT
            assert len(body) < len(SCRIPT) / 3

    def test_pages_and_what_is_not_whole_stay_as_they_are(self) -> None:
        for path in ("/user/ada/voila/render/2_annotate.ipynb", "/user/ada/voila/static/a.js?status=206"):
            headers, body = self.get(path)
            assert "Content-Encoding" not in headers
            assert body.decode() == SCRIPT
        plain = self.fetch("/user/ada/static/a.js", headers={"Accept-Encoding": "identity"})
        assert "Content-Encoding" not in plain.headers

    def test_what_is_named_by_its_digest_is_kept_for_ever_and_nothing_else(self) -> None:
        below = "/user/ada/voila/labextensions/x/static"
        kept = [f"{below}/remoteEntry.c8c9eed2cdefdeac.js", f"{below}/84.js?v=09c61a35dce1705f"]
        for path in (*kept, f"{below}/84.js", "/user/ada/voila/static/7155.voila.js", f"{below}/84.js?v=1"):
            assert ("immutable" in self.get(path)[0]["Cache-Control"]) == (path in kept), path
