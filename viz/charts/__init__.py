"""Curves, maps and bars of what was measured: which numbers does each show?"""
