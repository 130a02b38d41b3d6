"""A function becomes a record: what was computed, and which nodes are the same but for t?"""
