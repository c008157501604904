"""What the documentation site needs beside Sphinx: generated pages, the API reference, the menu."""
