"""Records to events, or to dead letters."""
