-- What people said about answers, told by assistant/feedback/database.py.

-- version 1
CREATE TABLE feedback (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    made TEXT NOT NULL,              -- ISO date and time, UTC
    "user" TEXT NOT NULL,
    corpus TEXT NOT NULL,
    question TEXT NOT NULL,
    standalone_question TEXT NOT NULL,
    history TEXT NOT NULL,           -- JSON
    answer TEXT NOT NULL,
    refused INTEGER NOT NULL,
    evidence TEXT NOT NULL,          -- JSON
    versions TEXT NOT NULL,          -- JSON
    verdict TEXT NOT NULL,
    faults TEXT NOT NULL,            -- JSON
    note TEXT NOT NULL,
    correction TEXT NOT NULL,        -- how it should read, as its author wrote it
    sources TEXT NOT NULL,           -- JSON: numbers of the evidence that says so
    state TEXT NOT NULL DEFAULT 'new',
    edited TEXT NOT NULL DEFAULT '', -- how it should read, as whoever looked at it wrote it
    decided_by TEXT NOT NULL DEFAULT '',
    decided TEXT NOT NULL DEFAULT ''
);
CREATE INDEX feedback_state ON feedback (state, corpus);
CREATE TABLE votes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    made TEXT NOT NULL,
    "user" TEXT NOT NULL,
    corpus TEXT NOT NULL,
    question TEXT NOT NULL,
    first TEXT NOT NULL,             -- who answered: an adapter's name, or 'base'
    second TEXT NOT NULL,
    first_answer TEXT NOT NULL,
    second_answer TEXT NOT NULL,
    choice TEXT NOT NULL,
    blind INTEGER NOT NULL
);

-- version 2
ALTER TABLE votes ADD COLUMN standalone_question TEXT NOT NULL DEFAULT '';
ALTER TABLE votes ADD COLUMN evidence TEXT NOT NULL DEFAULT '[]'; -- JSON: what both answers were shown
