"""Recorded traffic of real hosts, played again."""
