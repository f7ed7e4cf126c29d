"""What sessions look like: a Voilà template that asks nobody on the internet for anything, a JupyterLab without news.

A hub often has no way to the internet; Voilà's own template waits for two style sheets from there before it paints.
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
{#- Voilà's template `lab`, without the style sheets that it takes from the internet and without margins. -#}
{%- extends 'voila/templates/lab/index.html.j2' -%}

{%- block notebook_css -%}
  {{ resources.include_js("static/voila-style.js") }}
  {{ spinner.css() }}
  <style>
    .jp-mod-noOutputs.jp-mod-noInput { display: none; }
    #rendered_cells .jp-Cell, #rendered_cells .jp-OutputArea-output { margin: 0; padding: 0; }
  </style>
  {{ super.super() }}
{%- endblock notebook_css -%}
"""
_LAB_PAGE = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}


def write_appearance(folder: Path) -> dict[str, str]:
    """Write templates and settings for sessions.

    Parameters
    ----------
    folder
        Where to; readable for every account.

    Returns
    -------
    dict
        Environment variables by which sessions find them.
    """
    template = folder / "voila" / "templates" / TEMPLATE
    settings = folder / "labconfig"
    for made in (folder, folder / "voila", template.parent, template, settings):
        made.mkdir(exist_ok=True)
        made.chmod(0o755)
    for path, text in (
        (template / "index.html.j2", _PAGE),
        (template / "conf.json", json.dumps({"base_template": "lab"})),
        (settings / "page_config.json", json.dumps(_LAB_PAGE)),
    ):
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
    return {"JUPYTER_PATH": str(folder), "JUPYTER_CONFIG_PATH": str(folder)}
