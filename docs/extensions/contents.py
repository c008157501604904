"""The order of the pages. It is not in the documents, so that they are plain Markdown, also on GitHub."""

from sphinx.application import Sphinx

#: Page -> (heading in the menu, its pages in this order).
CONTENTS = {
    "index": [
        ("Tutorial", ["tutorial/getting-started", "tutorial/tune"]),
        (
            "Guides",
            [
                "guides/sources-and-sinks",
                "guides/files",
                "guides/kafka",
                "guides/delta",
                "guides/models",
                "guides/model-server",
                "guides/operations",
                "guides/live-page",
                "guides/marks",
                "guides/webhook",
                "guides/replay",
                "guides/monitoring",
                "guides/backtest",
                "guides/deployment",
                "guides/security",
                "guides/add-a-scorer",
                "guides/add-a-source-or-sink",
                "guides/releasing",
            ],
        ),
        (
            "Reference",
            [
                "reference/settings",
                "reference/commands",
                "reference/schemas",
                "reference/metrics",
                "reference/logs",
                "reference/page-api",
                "reference/api",
            ],
        ),
        (
            "Explanation",
            [
                "explanation/architecture",
                "explanation/time",
                "explanation/scores",
                "explanation/alerts",
                "explanation/drift",
                "explanation/benchmarks",
                "explanation/peers",
                "explanation/limits",
                "explanation/figures",
                "explanation/scale",
                "decisions/README",
            ],
        ),
    ],
    "reference/api": [("Packages", ["reference/api/*"])],
    "decisions/README": [("Records", ["decisions/0*"])],
}


def _append(app: Sphinx, document: str, source: list[str]) -> None:
    for caption, pages in CONTENTS.get(document, ()):
        lines = "\n".join(f"/{page}" for page in pages)
        source[0] += f"\n\n```{{toctree}}\n:hidden:\n:caption: {caption}\n:glob:\n\n{lines}\n```\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx calls this when it loads the extension."""
    app.connect("source-read", _append)
    return {"parallel_read_safe": True}
