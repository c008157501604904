"""The documentation site: `make docs` builds docs/ and the docstrings into out/docs."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS.parent), str(DOCS / "extensions")]

import dataflow  # noqa: E402

project = "Driftline"
author = "The Driftline authors"
release = version = dataflow.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "api_reference", "contents"]
root_doc = "index"
exclude_patterns = ["extensions"]
nitpicky = True
# There is no network, so names of other packages cannot be looked up.
nitpick_ignore_regex = [
    (
        "py:.*",
        r"(argparse|bytewax|collections|concurrent|contextlib|datetime|enum|grpc|http|io|json|logging|numpy|np|onnx|"
        r"onnxruntime|opentelemetry|os|pandas|pathlib|pd|pa|prometheus_client|pyarrow|pydantic|pydantic_core|queue|"
        r"random|re|rich|sentence_transformers|socket|subprocess|sys|threading|time|tokenizers|torch|tritonclient|"
        r"types|typing|annotated_types|abc)(\..+)?",
    ),
]
suppress_warnings: list[str] = []

myst_enable_extensions = ["attrs_inline"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_mock_imports: list[str] = []
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
