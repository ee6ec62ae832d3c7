"""Views: what a page shows, as HTML. A view gathers its values in Python and fills a template that lies beside it.

Everything from documents, names, models and people is text in a template (``ui.shown.templates``).
"""
