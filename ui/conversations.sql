-- The conversations of a workspace, told by ui/conversations.py. Each version is made from the one before it.

-- version 1
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    "user" TEXT NOT NULL,
    title TEXT NOT NULL,
    updated TEXT NOT NULL                -- ISO date and time, UTC
);
CREATE INDEX conversations_user ON conversations ("user", updated);
CREATE TABLE turns (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    question TEXT NOT NULL,
    replies TEXT NOT NULL,               -- JSON
    blind INTEGER NOT NULL,
    preferred INTEGER,                   -- which reply was voted for; -1: neither is better
    verdict TEXT,                        -- what the one who asked said of the answer; all of it is feedback
    words TEXT NOT NULL                  -- question and answers, to search in
);
CREATE INDEX turns_conversation ON turns (conversation);

-- version 2
-- scope: JSON
ALTER TABLE conversations ADD COLUMN scope TEXT NOT NULL DEFAULT '';

-- version 3
-- shared: what its link ends with, while it is shared; origin: that of the one of which it is a copy
ALTER TABLE conversations ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversations ADD COLUMN shared TEXT;
ALTER TABLE conversations ADD COLUMN origin TEXT;
CREATE UNIQUE INDEX conversations_shared ON conversations (shared);

-- version 4
-- attached: the folder of its own files
ALTER TABLE conversations ADD COLUMN attached TEXT;

-- version 5
-- parent: that it follows; seen: the greatest of its place is shown
ALTER TABLE turns ADD COLUMN parent INTEGER REFERENCES turns (id) ON DELETE CASCADE;
ALTER TABLE turns ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;
UPDATE turns SET parent = (
    SELECT max(id) FROM turns AS one WHERE one.conversation = turns.conversation AND one.id < turns.id
);
CREATE INDEX turns_parent ON turns (parent);

-- version 6
-- folder: its name; there is none without any
ALTER TABLE conversations ADD COLUMN folder TEXT NOT NULL DEFAULT '';

-- version 7
-- the time before which conversations have come of age, and when that was noted
CREATE TABLE due (before TEXT NOT NULL, noted TEXT NOT NULL);

-- version 8
-- of what is shared everybody has one copy; as many as are alone may have none
CREATE UNIQUE INDEX conversations_origin ON conversations ("user", origin);
