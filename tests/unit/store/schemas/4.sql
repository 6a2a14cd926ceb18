PRAGMA application_id = 0x726f7763;
PRAGMA user_version = 4;
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
INSERT INTO rowcast_schema VALUES(4);
CREATE TABLE rowcast_state(
  trimmed INTEGER NOT NULL,  -- the highest id that retention has deleted; 0: none
  room BLOB                  -- NULL; written to see whether there is any
, name TEXT);
INSERT INTO rowcast_state VALUES(0,NULL,NULL);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('message',1);
CREATE INDEX message_expiry ON message(expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX message_address ON message(id / 2048, user, topic);
CREATE TRIGGER message_id BEFORE INSERT ON message
WHEN NEW.id <> -1 AND NEW.id <= 9007199254740991
  AND (NEW.id <= coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'message'), 0)
    OR EXISTS (SELECT 1 FROM message WHERE id = NEW.id))
BEGIN
  SELECT RAISE(ABORT, 'id must be above the highest ever given, or streams would miss the row: leave id out');
END;
CREATE TRIGGER message_new AFTER INSERT ON message
BEGIN
  SELECT CASE
    WHEN NEW.id < 1
    THEN RAISE(ABORT, 'id must be above the highest ever given, or streams would miss the row: leave id out')
    WHEN NEW.id > 9007199254740991
    THEN RAISE(ABORT, 'id would be above 2^53 - 1, where browsers cannot tell one from the next: leave id out; where it was left out, begin a new file')
    WHEN NEW.created_at NOT BETWEEN 1 AND 4102444800
    THEN RAISE(ABORT, 'created_at must be Unix seconds, from 1 to the year 2100 (not milliseconds): leave it out for now')
    WHEN NEW.expires_at NOT BETWEEN 1 AND 4102444800
    THEN RAISE(ABORT, 'expires_at must be Unix seconds, from 1 to the year 2100 (not milliseconds), or NULL for never')
    WHEN NEW.user IS NOT NULL AND length(CAST(NEW.user AS BLOB)) > 255
    THEN RAISE(ABORT, 'user must not be over 255 bytes: choose a shorter one')
    WHEN NEW.user IS NOT NULL AND (NEW.user < ':' AND instr(NEW.user, '.')
      AND CAST(CAST(NEW.user AS REAL) AS TEXT) = NEW.user
      AND (abs(CAST(NEW.user AS REAL)) >= 9007199254740992.0
        OR CAST(CAST(NEW.user AS REAL) AS INTEGER) = CAST(NEW.user AS REAL)))
    THEN RAISE(ABORT, 'user is a whole number that was bound as floating point (42.0 is not 42): bind it as text or as an integer')
    WHEN NEW.topic IS NOT NULL AND length(CAST(NEW.topic AS BLOB)) > 255
    THEN RAISE(ABORT, 'topic must not be over 255 bytes: choose a shorter one')
    WHEN NEW.topic IS NOT NULL AND (NEW.topic < ':' AND instr(NEW.topic, '.')
      AND CAST(CAST(NEW.topic AS REAL) AS TEXT) = NEW.topic
      AND (abs(CAST(NEW.topic AS REAL)) >= 9007199254740992.0
        OR CAST(CAST(NEW.topic AS REAL) AS INTEGER) = CAST(NEW.topic AS REAL)))
    THEN RAISE(ABORT, 'topic is a whole number that was bound as floating point (42.0 is not 42): bind it as text or as an integer')
    WHEN NEW.event IS NOT NULL AND length(CAST(NEW.event AS BLOB)) > 255
    THEN RAISE(ABORT, 'event must not be over 255 bytes: choose a shorter one')
    WHEN NEW.event IN ('error', 'open')
      OR (NEW.event >= 'rowcast.' AND NEW.event < 'rowcast/')
    THEN RAISE(ABORT, 'event must not be error, open or begin with rowcast., which mean something else to browsers and rowcast: choose another name')
  END;
END;
CREATE TRIGGER message_changed BEFORE UPDATE ON message
BEGIN
  SELECT CASE
    WHEN NEW.id <> OLD.id
    THEN RAISE(ABORT, 'id of a message cannot change')
    WHEN NEW.user IS NOT OLD.user OR NEW.topic IS NOT OLD.topic
      OR NEW.event IS NOT OLD.event OR NEW.data IS NOT OLD.data
    THEN RAISE(ABORT, 'a published message cannot change: delete it and insert another')
    WHEN NEW.created_at IS NOT OLD.created_at
      AND NEW.created_at NOT BETWEEN 1 AND 4102444800
    THEN RAISE(ABORT, 'created_at must be Unix seconds, from 1 to the year 2100 (not milliseconds)')
    WHEN NEW.expires_at IS NOT OLD.expires_at
      AND NEW.expires_at NOT BETWEEN 1 AND 4102444800
    THEN RAISE(ABORT, 'expires_at must be Unix seconds, from 1 to the year 2100 (not milliseconds), or NULL for never')
  END;
END;
COMMIT;
