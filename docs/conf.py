"""How is the documentation built as a site? `python -m sphinx -b html docs site`."""

from sim import __version__

project = "Uptake"
author = "The Uptake authors"
project_copyright = "2026, The Uptake authors"
release = version = __version__
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["site", "_build"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "Uptake"
html_static_path = ["_static"]
html_css_files = ["style.css"]
suppress_warnings = ["misc.highlighting_failure"]
