"""Programs of the peers. Each runs in the environment of its peer, and imports nothing else of Driftline."""
