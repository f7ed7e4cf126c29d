"""How `make docs` builds the documentation site: Sphinx, MyST, and a reference that is made from the code.

Nothing is loaded from elsewhere when a page is read: formulas become MathML here, the search index lies beside the
pages, and the theme brings its own files. So the site works from a folder, without a network.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

logging.getLogger("alembic").setLevel(logging.WARNING)
os.environ.setdefault("TQDM_DISABLE", "1")
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from made_from_code import PAGES, with_links_within  # noqa: E402 - after the path is set

from pipeline import __version__  # noqa: E402

project = "Multilabelfy"
author = "The Multilabelfy developers"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["README.md"]
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
default_role = "code"
smartquotes = False  # would make a dash of the two in front of an option
napoleon_google_docstring = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
html_theme = "furo"
html_title = f"Multilabelfy {__version__}"
html_static_path: list[str] = []
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_show_search_summary = False  # it fetches pages, which browsers refuse for pages that lie in a folder
html_theme_options = {"footer_icons": []}


class MadeFromCode(SphinxDirective):
    """`{made-from-code} NAME`: a page of the reference, as `made_from_code.py` reads it from the program."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return what the page's Markdown stands for."""
        text = PAGES[self.arguments[0]]()
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def _links_within(_app: Sphinx, name: str, content: list[str]) -> None:
    content[0] = with_links_within(content[0], name)


def _visit_formula(translator: HTML5Translator, node: nodes.math | nodes.math_block) -> None:
    is_block = isinstance(node, nodes.math_block)
    markup = latex2mathml.tex2mathml(node.astext(), as_block=is_block)
    markup = re.sub(r"<mo>([{}|\[\]()])</mo>", r'<mo stretchy="false">\1</mo>', markup)
    translator.body.append(f'<div class="math">{markup}</div>' if is_block else markup)
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register what is ours."""
    app.add_directive("made-from-code", MadeFromCode)
    app.connect("source-read", _links_within)
    app.add_html_math_renderer("mathml", (_visit_formula, None), (_visit_formula, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


html_math_renderer = "mathml"
