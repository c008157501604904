"""The documents, and what builds the site from them."""
