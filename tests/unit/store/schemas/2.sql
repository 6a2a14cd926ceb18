PRAGMA application_id = 0x726f7763;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE message(
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- leave it out when inserting
  user TEXT,        -- who may read it; NULL: everyone
  topic TEXT,       -- only streams that asked for it; NULL: any stream
  event TEXT,       -- event name; NULL: message
  data TEXT NOT NULL,
  created_at INTEGER NOT NULL
    DEFAULT (CAST(strftime('%s','now') AS INTEGER)),  -- Unix seconds
  expires_at INTEGER,  -- Unix seconds; not sent from then on; NULL: never
  key TEXT UNIQUE,     -- the same key again inserts nothing (POST /msg)
  CONSTRAINT "data must be text without U+0000"
    CHECK (typeof(data) = 'text' AND instr(data, char(0)) = 0),
  CONSTRAINT "data must not be over 1 MiB"
    CHECK (length(CAST(data AS BLOB)) <= 1048576),
  CONSTRAINT "event must be text without a line break"
    CHECK (event IS NULL OR (typeof(event) = 'text' AND instr(event, char(10)) = 0
      AND instr(event, char(13)) = 0 AND instr(event, char(0)) = 0)),
  CONSTRAINT "user must be NULL or text, not empty and without U+0000"
    CHECK (user IS NULL OR (typeof(user) = 'text' AND user <> ''
      AND instr(user, char(0)) = 0)),
  CONSTRAINT "topic must be NULL or text, not empty and without U+0000"
    CHECK (topic IS NULL OR (typeof(topic) = 'text' AND topic <> ''
      AND instr(topic, char(0)) = 0)),
  CONSTRAINT "created_at must be a number of Unix seconds"
    CHECK (typeof(created_at) = 'integer'),
  CONSTRAINT "expires_at must be NULL or a number of Unix seconds"
    CHECK (expires_at IS NULL OR typeof(expires_at) = 'integer')
);
INSERT INTO message VALUES(1,NULL,'t',NULL,'x',1700000000,NULL,NULL);
CREATE TABLE rowcast_schema(version INTEGER NOT NULL);
INSERT INTO rowcast_schema VALUES(2);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('message',1);
CREATE INDEX message_expiry ON message(expires_at) WHERE expires_at IS NOT NULL;
CREATE TRIGGER message_id_given AFTER INSERT ON message
WHEN NEW.id <= coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'message'), 0)
BEGIN
  SELECT RAISE(ABORT, 'id must be above the highest ever given, or streams would miss the row: leave id out');
END;
CREATE TRIGGER message_id_taken BEFORE INSERT ON message
WHEN NEW.id > 0 AND EXISTS (SELECT 1 FROM message WHERE id = NEW.id)
BEGIN
  SELECT RAISE(ABORT, 'id must be above the highest ever given, or streams would miss the row: leave id out');
END;
CREATE TRIGGER message_id_kept BEFORE UPDATE ON message
WHEN NEW.id <> OLD.id
BEGIN
  SELECT RAISE(ABORT, 'id of a message cannot change');
END;
CREATE INDEX message_address ON message(id / 2048, user, topic);
COMMIT;
