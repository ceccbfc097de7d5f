"""Sphinx's settings. ``python docs/build.py`` runs Sphinx; see 'The site' in ARCHITECTURE.md."""

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS))

import matplotlib  # noqa: E402

import fastcls  # noqa: E402

matplotlib.use("agg")

project = "fastcls"
author = "The fastcls developers"
version = release = fastcls.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "site_demos",
    "site_docstrings",
    "site_figures",
    "site_math",
    "site_notebooks",
]
root_doc = "index"
templates_path = [str(DOCS / "_templates")]
default_role = "py:obj"
smartquotes = False  # quotes of values and code stay what one types

# the reference, from the docstrings
autosummary_generate = True
autodoc_typehints = "none"  # the docstrings say the types, with shapes
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# the pages of docs/*.md
myst_enable_extensions = ["dollarmath", "html_image"]
myst_heading_anchors = 4

# the pages of the lecture: they run while the site is built
sphinx_gallery_conf = {
    "examples_dirs": [str(DOCS / "lecture")],
    "gallery_dirs": ["lecture"],
    "filename_pattern": "/(row|next_)",
    "ignore_pattern": r"__init__\.py",
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": ("site_figures.scraper",),
    "capture_repr": (),
    "plot_gallery": "True",
    "run_stale_examples": True,  # an unchanged page may fail: the library beneath it changed
    "min_reported_time": 1e9,
    "write_computation_times": False,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
    "thumbnail_size": (420, 300),
    "only_warn_on_example_error": False,
}
suppress_warnings = ["config.cache"]

html_theme = "pydata_sphinx_theme"
html_title = "fastcls"
html_static_path = [str(DOCS / "_static")]
html_css_files = ["site.css"]
html_js_files = ["demos.js"]
html_sidebars = {name: [] for name in ("index", "lecture_rows", "solutions", "search", "genindex", "py-modindex")}
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "fastcls"},
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc", "sg_download_links"],
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
copyright = author
html_context = {"default_mode": "auto"}
