"""The tests of Entrepôt."""
