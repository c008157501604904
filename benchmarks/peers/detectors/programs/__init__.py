"""The detectors of libraries, in their environment. A program imports nothing else from here."""
