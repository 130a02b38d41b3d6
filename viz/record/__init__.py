"""From a record to parts: what is there to show?"""
