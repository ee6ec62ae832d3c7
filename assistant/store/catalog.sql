-- The catalog of a corpus: tables and migrations, told by assistant/store/sql.py.

-- version 1
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,        -- content hash, suffix and recipe: equal keys give equal chunks
    title TEXT NOT NULL,
    format TEXT NOT NULL,
    language TEXT NOT NULL,
    date TEXT NOT NULL,
    pages INTEGER,
    page_starts TEXT NOT NULL,       -- JSON list of [offset in text, page]
    metadata TEXT NOT NULL,          -- JSON object of strings
    warnings TEXT NOT NULL,          -- JSON list of strings
    characters INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    text TEXT NOT NULL               -- last, so that the columns before it are read without it
);
CREATE TABLE files (
    root TEXT NOT NULL,              -- absolute folder (or file) that was ingested
    path TEXT NOT NULL,              -- relative to root, with '/'
    size INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    hash TEXT NOT NULL,
    document_id INTEGER REFERENCES documents (id),
    failure TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (root, path)
) WITHOUT ROWID;
CREATE INDEX files_document ON files (document_id);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again: a vector file of old cannot mislead
    document_id INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    first_page INTEGER,
    last_page INTEGER,
    heading TEXT NOT NULL,
    place TEXT NOT NULL,
    context TEXT NOT NULL,           -- title, headings and table header: embedded in front of the text
    digest BLOB NOT NULL,            -- of what was embedded, to reuse its vector
    vector BLOB NOT NULL
);
CREATE INDEX chunks_document ON chunks (document_id);
CREATE INDEX chunks_digest ON chunks (digest);
CREATE VIRTUAL TABLE lexical USING fts5 (context, body, tokenize = "unicode61 remove_diacritics 0");
CREATE VIRTUAL TABLE vocabulary USING fts5vocab (lexical, row);

-- version 2
-- Chunks are copied: SQLite cannot drop a column behind a comment that holds a comma.
CREATE TABLE copied_chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    heading TEXT NOT NULL,
    place TEXT NOT NULL,
    context TEXT NOT NULL
);
CREATE TABLE copied_windows AS SELECT id AS chunk_id, digest, vector FROM chunks;
INSERT INTO copied_chunks SELECT id, document_id, start, end, heading, place, context FROM chunks;
UPDATE sqlite_sequence SET seq = (SELECT seq FROM sqlite_sequence WHERE name = 'chunks')
    WHERE name = 'copied_chunks';
DROP TABLE chunks;
ALTER TABLE copied_chunks RENAME TO chunks;
CREATE INDEX chunks_document ON chunks (document_id);
CREATE TABLE windows (
    id INTEGER PRIMARY KEY,
    chunk_id INTEGER NOT NULL REFERENCES chunks (id) ON DELETE CASCADE,
    digest BLOB NOT NULL,            -- of what was embedded, to reuse its vector
    vector BLOB NOT NULL
);
INSERT INTO windows (chunk_id, digest, vector) SELECT * FROM copied_windows;
DROP TABLE copied_windows;
CREATE INDEX windows_chunk ON windows (chunk_id);
CREATE INDEX windows_digest ON windows (digest);

-- version 3
CREATE TABLE headings (
    document_id INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,            -- of its own words
    path TEXT NOT NULL,
    PRIMARY KEY (document_id, start)
) WITHOUT ROWID;

-- version 4
CREATE TABLE blocks (
    document_id INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    kind TEXT NOT NULL,
    heading TEXT NOT NULL,           -- path
    place TEXT NOT NULL,
    row INTEGER,
    header_lines INTEGER NOT NULL,
    items TEXT NOT NULL,             -- JSON list of [offset in block, length of mark, mark, depth], or empty
    PRIMARY KEY (document_id, start)
) WITHOUT ROWID;

-- version 5
DROP TABLE headings;

-- version 6
CREATE TABLE frequencies (term TEXT PRIMARY KEY, chunks INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO frequencies SELECT term, doc FROM vocabulary;
CREATE TABLE removed (chunk_id INTEGER PRIMARY KEY);
INSERT INTO meta SELECT 'counts', json_object(
    'chunks', (SELECT count(*) FROM lexical),
    'windows', (SELECT count(*) FROM windows WHERE chunk_id IN (SELECT rowid FROM lexical)),
    'last_chunk', (SELECT coalesce(max(rowid), 0) FROM lexical)
);
INSERT INTO meta SELECT 'base', json_object(
    'generation', (SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM meta WHERE key = 'generation'),
    'embedder', (SELECT coalesce(max(json_extract(value, '$.fingerprint')), '') FROM meta WHERE key = 'identity'),
    'windows', json_extract(value, '$.windows'),
    'last_chunk', json_extract(value, '$.last_chunk'),
    'trained', json_extract(value, '$.windows')
) FROM meta WHERE key = 'counts';
DROP TABLE vocabulary;

-- version 7
CREATE TABLE segments (
    id INTEGER PRIMARY KEY,
    chunks BLOB NOT NULL,            -- uint32 ids, ascending, and greater than those of segments before
    lengths BLOB NOT NULL            -- uint16, in terms; 0 of a chunk that is not live any more
);
CREATE TABLE postings (
    segment INTEGER NOT NULL REFERENCES segments (id) ON DELETE CASCADE,
    term TEXT NOT NULL,
    chunks BLOB NOT NULL             -- (uint16 place in the segment, uint8 in context, uint8 in text) of each
);
CREATE UNIQUE INDEX postings_term ON postings (term, segment);
CREATE INDEX postings_segment ON postings (segment);

-- version 8
DROP TABLE lexical;
