// Loaded before the proxy: its connections to the sockets of Hub, service and sessions are used again.
//
// The proxy does so for ports, but asks a socket to close each connection after its answer. An answer that needs no
// body may then close it while the end of the request is still being written: the proxy would say 503 in its place.
"use strict";
const http = require("node:http");
// Shorter than servers keep idle connections, so that none is closed by them just as it is used again.
const agent = new http.Agent({ keepAlive: true, timeout: 30_000 });
const request = http.request;
http.request = function (options, ...rest) {
  const closes = options?.socketPath && options.agent === false && options.headers?.connection === "close";
  if (!closes) {
    return request.call(this, options, ...rest);
  }
  const { connection, ...headers } = options.headers;
  return request.call(this, { ...options, agent, headers }, ...rest);
};
