"""From parts to positions: where does everything stand, and how do the lines run?"""
