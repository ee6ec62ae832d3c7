"""A corpus becomes instruction pairs: see ``build`` for the stages, one module each."""
