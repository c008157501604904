"""What is behind a URI, for sources and sinks alike."""
