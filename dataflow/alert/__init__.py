"""The alert stage: decides which scored events alert, and gathers alerts into incidents."""
