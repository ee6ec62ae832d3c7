"""Documents as evidence: where a passage stands, as it looks in the file, and the file itself.

Only documents of a catalog are shown, found by what the catalog knows of them and never by a path from outside; and
of a file only the bytes that were ingested: their hash is compared first. So a name that climbs, a link that was put
in a file's place, or a file that has changed since shows nothing that is not in the corpus.
"""
