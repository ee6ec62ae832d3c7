"""Measurements against other tools and on real corpora; never imported by the product."""
