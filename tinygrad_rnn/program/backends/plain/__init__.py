"""A step as one writes it by hand for a reader: whole expressions in two loops over time."""
