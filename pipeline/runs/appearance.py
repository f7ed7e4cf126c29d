"""What people land on: a Voilà template that needs nothing from the internet, and a JupyterLab without news.

A hub often has no internet access. Voilà's own template waits for two style sheets from there before it paints, and its
scripts fetch MathJax from there. If a kernel dies or starts too slowly, Voilà's page waits forever. This one says that
it is taking long, and starts again by itself once that kernel has been given up. Over a slow line its scripts take many
seconds: it shows the image that comes with the page until they are there.
"""

from __future__ import annotations

import json
from pathlib import Path

#: Name of the Voilà template.
TEMPLATE = "multilabelfy"
#: Extensions for JupyterLab's own pages, which Voilà would load as well.
UNUSED_LAB_EXTENSIONS = (
    "@jupyter-notebook/lab-extension",
    "@voila-dashboards/jupyterlab-preview",
    "jupyterlab_pygments",
)

_PAGE = """\
{#- Voilà's template `lab`, with nothing from the internet, without margins, and with an end to its waiting. -#}
{%- extends 'voila/templates/lab/index.html.j2' -%}

{%- block html_head_js -%}
  <meta http-equiv="Content-Security-Policy" content="default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'">
  {{ super() }}
  <!--notebook--><script>
    window.mlfStart = (() => {
      const patience = 1000 * {{ resources.kernel_patience_s | default(120, true) }};
      const key = "mlf-starts " + location.pathname;
      const tries = Number(sessionStorage.getItem(key) ?? 0);
      const again = () => { sessionStorage.setItem(key, String(tries + 1)); location.reload(); };
      const say = (text) => {
        const place = document.getElementById("loading");
        if (!place) return;
        const line = document.getElementById("mlf-start") ?? document.createElement("p");
        line.id = "mlf-start";
        line.setAttribute("role", "status");
        const button = document.createElement("button");
        button.textContent = "Start again";
        button.onclick = again;
        line.replaceChildren(text + " ", button);
        place.append(line);
      };
      const timers = [
        setTimeout(() => say("This takes longer than usual. Nothing that you have done is lost."), patience / 4),
        // The server has given the kernel up by now.
        setTimeout(() => {
          if (tries < 2) again();
          else say("Your session does not start. Tell those who run this hub; what you have done is kept.");
        }, 1.25 * patience),
      ];
      // The image that came with a cell's output, until the widget has drawn it or says why not.
      const show = (output) => {
        if (output?.type !== "application/vnd.voila.cell-output+json") return;
        const image = JSON.parse(output.textContent).data?.["image/jpeg"];
        // A tab that has been here goes back to where it stood, which may be another image.
        if (!image || Object.keys(sessionStorage).some((name) => name.startsWith("mlf-place:"))) return;
        const place = document.createElement("div");
        place.id = "mlf-first-image";
        place.setAttribute("aria-hidden", "true");
        place.append(Object.assign(new Image(), { src: "data:image/jpeg;base64," + image }));
        document.body.prepend(place);
        let isLeaving = false;
        const watch = new MutationObserver(() => {
          const widget = document.querySelector("[data-mlf]");
          const isDrawn = widget?.dataset.imageId && !widget.querySelector(".mlf-stage-wait");
          if (isDrawn || widget?.querySelector("[role=alert]")) remove();
          else if (!isLeaving && !document.getElementById("loading")) isLeaving = !!setTimeout(remove, 10000);
        });
        const remove = () => { watch.disconnect(); place.remove(); };
        watch.observe(document.body, { subtree: true, childList: true, attributeFilter: ["data-image-id"] });
      };
      return { show, isDone: () => { timers.forEach(clearTimeout); sessionStorage.removeItem(key); } };
    })();
  </script>
{%- endblock html_head_js -%}

{%- block notebook_css -%}
  {{ resources.include_js("static/voila-style.js") }}
  {{ spinner.css() }}
  <style>
    .jp-mod-noOutputs.jp-mod-noInput { display: none; }
    @media (prefers-color-scheme: dark) {
      html, body, #loading, #mlf-first-image { background: #1c1c1c !important; color: #e4e4e4 !important; }
    }
    #mlf-first-image { position: fixed; inset: 0; z-index: 50; background: white; }
    #mlf-first-image img { max-width: 60%; max-height: 80vh; }
    #mlf-first-image ~ #loading { margin-left: 60%; }
    #rendered_cells .jp-Cell, #rendered_cells .jp-OutputArea-output { margin: 0; padding: 0; }
  </style>
  {{ super.super() }}
{%- endblock notebook_css -%}

{%- block data_priority scoped -%}
  {{ super() }}
  <script>window.mlfStart.show(document.currentScript.previousElementSibling);</script>
{%- endblock data_priority -%}

{%- block body_footer -%}
  <script>window.mlfStart.isDone();</script>
  {{ super() }}
{%- endblock body_footer -%}
"""
_NOTEBOOK_MARK = "<!--notebook-->"
_NOTEBOOK = """\
<script>
    document.documentElement.dataset.mlfNotebook = location.pathname.replace("/voila/render/", "/lab/tree/");
  </script>
  """
_LAB_PAGE = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}


def write_appearance(folder: Path, *, has_notebook: bool = False) -> dict[str, str]:
    """Write templates and settings for sessions.

    Parameters
    ----------
    folder
        The folder to write to; every account can read what is written.
    has_notebook
        Whether the same server shows the notebook behind a page in JupyterLab; the page then says where.

    Returns
    -------
    dict
        Environment variables that tell sessions where to find them.
    """
    template = folder / "voila" / "templates" / TEMPLATE
    settings = folder / "labconfig"
    for made in (folder, folder / "voila", template.parent, template, settings):
        made.mkdir(exist_ok=True)
        made.chmod(0o755)
    for path, text in (
        (template / "index.html.j2", _PAGE.replace(_NOTEBOOK_MARK, _NOTEBOOK if has_notebook else "")),
        (template / "conf.json", json.dumps({"base_template": "lab"})),
        (settings / "page_config.json", json.dumps(_LAB_PAGE)),
    ):
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
    return {"JUPYTER_PATH": str(folder), "JUPYTER_CONFIG_PATH": str(folder)}
