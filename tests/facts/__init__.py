"""Holds the catalogue against the facts that it was made from, where these lie beside it."""
