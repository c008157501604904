"""The documentation site: `make docs` builds docs/ and the docstrings into out/docs."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))

import dataflow  # noqa: E402

project = "Driftline"
author = "The Driftline authors"
release = version = dataflow.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "docs.extensions.api_reference",
    "docs.extensions.contents",
    "docs.extensions.offline",
]
root_doc = "index"
exclude_patterns = ["extensions"]
nitpicky = True
# The names of other packages cannot be looked up, because there is no network. Private names and type
# variables have no entry in the reference.
_OTHERS = (
    "argparse|bytewax|collections|concurrent|contextlib|datetime|enum|http|json|logging|numpy|onnx|onnxruntime|"
    "grpc|io|opentelemetry|os|pandas|pathlib|pd|prometheus_client|pyarrow|pydantic|random|re|sentence_transformers|"
    "sqlite3|ssl|subprocess|threading|tokenizers|torch|tritonclient|types|typing"
)
nitpick_ignore_regex = [
    ("py:.*", rf"({_OTHERS})(\..+)?"),
    ("py:.*", r"(.+\.)?(_\w+|[A-Z])"),
    ("py:.*", r".+ \| .+"),
]

myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
autodoc_inherit_docstrings = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90
add_module_names = False
toc_object_entries_show_parents = "hide"

html_title = f"Driftline {release}"
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["wide.css"]
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
