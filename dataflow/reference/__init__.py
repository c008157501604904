"""Known-good texts and saved references: read, embedded, saved, and shown.

A saved reference is a Parquet file with the columns of :func:`dataflow.items.pinned.pinned_schema`.
``score.pinned`` names one, or a file of JSON lines with texts. ``python -m dataflow.reference`` makes and
shows saved references.
"""
