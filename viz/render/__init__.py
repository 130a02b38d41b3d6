"""From positions to files and notebooks."""
