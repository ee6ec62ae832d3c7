"""Instruction pairs become adapters."""
