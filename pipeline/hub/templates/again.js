// For pages that stand where another one should, because a part of the hub is away for a moment: opens that one as soon
// as it can be reached. Asking never starts a kernel: of somebody's session, only whether it is up is asked.
// Asked without what stands behind the path: a code in it that is good once is for the page itself.
(() => {
  const session = location.pathname.match(/^.*?\/user\/[^/]+\//);
  const asked = session ? `${session[0]}api` : location.origin + location.pathname;
  const away = new Set([404, 500, 502, 503, 504]);
  const ask = () =>
    fetch(asked, { cache: "no-store", redirect: "manual" }).then(
      (answer) => (away.has(answer.status) ? later() : location.replace(location.pathname + location.search)),
      later,
    );
  const later = () => setTimeout(ask, 1_500);
  later();
})();
