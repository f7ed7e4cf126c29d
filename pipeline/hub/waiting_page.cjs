// Loaded before the proxy: what it says while the Hub itself is away. By default that is two words, at which a browser
// stays; this page goes on to the one that was asked for as soon as it can be reached.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const again = fs.readFileSync(path.join(__dirname, "templates", "again.js"), "utf8");
const PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Starting again</title>
<body style="font-family: sans-serif; margin: 4rem auto; max-width: 40rem"><h1>The hub is starting again</h1>
<p role="status">This page tries again by itself. Nothing that you have done is lost.</p><script>${again}</script>`;
const program = process.argv[1];
const proxy = program && path.join(path.dirname(fs.realpathSync(program)), "..", "lib", "configproxy.js");
if (proxy && fs.existsSync(proxy)) {
  import(pathToFileURL(proxy)).then(({ ConfigurableProxy }) => {
    const say = ConfigurableProxy.prototype._handleProxyErrorDefault;
    ConfigurableProxy.prototype._handleProxyErrorDefault = function (code, kind, req, res) {
      const isPage = /text\/html/.test(req?.headers.accept ?? "");
      if (kind === "ws" || !isPage || !res || res.headersSent) return say.call(this, code, kind, req, res);
      res.writeHead(code, { "Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store" });
      res.end(PAGE);
    };
  });
}
