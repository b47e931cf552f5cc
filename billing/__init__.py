"""Tokens to money, and who may spend it.

Takes only usage, catalogue and errors from ``providers``. Money is integers of 1e-12 dollars.
"""
