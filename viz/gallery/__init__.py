"""Every picture there is, on one page."""
