"""Programs are made, kept, called and explained."""
