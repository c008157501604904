"""The queries on Spark, in its environment. A program imports nothing else from here."""
