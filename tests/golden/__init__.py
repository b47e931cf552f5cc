"""Costs worked out by hand, which the gateway has to come to, to the last digit."""
