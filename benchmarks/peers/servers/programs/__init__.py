"""Libraries and servers of embeddings, each in its environment. A program imports nothing else from here."""
