"""What the page knows, in memory: scored rows as columns, incidents, and the rows of the other streams."""
