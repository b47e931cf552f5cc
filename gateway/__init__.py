"""HTTP in, HTTP out. Owns the order of things; the only package that knows FastAPI."""
