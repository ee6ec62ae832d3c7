"""Views: what a page shows, as HTML. A view reads what it needs, and fills a template that lies beside it.

Everything from documents, names, models and people is text in a template (``ui.shown.templates``).
"""
