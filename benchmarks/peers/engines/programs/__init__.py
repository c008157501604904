"""The windows on each engine, in its environment. A program imports nothing else from here."""
