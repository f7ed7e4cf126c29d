// Loaded before the proxy: lets it listen on the socket that front_door.py has bound for it.
"use strict";
const net = require("node:net");
const [descriptor, port] = (process.env.MLF_GIVEN_SOCKET || "").split(" ").map(Number);
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (first, ...rest) {
  const wanted = Number(first !== null && typeof first === "object" ? first.port : first);
  if (port > 0 && wanted === port) {
    const callback = rest.find((one) => typeof one === "function");
    return listen.call(this, { fd: descriptor }, callback);
  }
  return listen.call(this, first, ...rest);
};
