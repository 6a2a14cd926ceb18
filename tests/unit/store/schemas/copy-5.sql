PRAGMA application_id = 0x726f7763;
PRAGMA user_version = 5;
BEGIN TRANSACTION;
CREATE TABLE rowcast_schema(version INTEGER NOT NULL);
INSERT INTO rowcast_schema VALUES(5);
CREATE TABLE rowcast_state(
  trimmed INTEGER NOT NULL,  -- the highest id that retention has deleted; 0: none
  room BLOB                  -- NULL; written to see whether there is any
, name TEXT, newest INTEGER NOT NULL DEFAULT 0, anchor INTEGER NOT NULL DEFAULT 0, segment INTEGER NOT NULL DEFAULT 0, segment_rows INTEGER NOT NULL DEFAULT 0);
INSERT INTO rowcast_state VALUES(0,NULL,'5009ac72d002afdbe7918de1e4c4009b',0,0,0,0);
CREATE TABLE rowcast_revoked(
  number INTEGER PRIMARY KEY AUTOINCREMENT,  -- in the order of the commits
  user TEXT NOT NULL UNIQUE,
  until INTEGER NOT NULL  -- Unix seconds: tokens issued up to then are refused
);
CREATE TABLE rowcast_copy(
  id INTEGER PRIMARY KEY,  -- the log's, the same on every machine
  segment INTEGER NOT NULL,  -- the id of the first row of its run of 2048
  user TEXT,
  topic TEXT,
  event TEXT,
  data TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  key TEXT
);
CREATE TABLE rowcast_outbox(
  number INTEGER PRIMARY KEY AUTOINCREMENT,  -- in the order of the commits
  once TEXT NOT NULL DEFAULT (lower(hex(randomblob(16)))),
  user TEXT,
  topic TEXT,
  event TEXT,
  data TEXT NOT NULL,
  created_at INTEGER NOT NULL  -- as it was given; the log has its own
    DEFAULT (CAST(strftime('%s','now') AS INTEGER)),
  expires_at INTEGER,
  key TEXT,
  replaces INTEGER NOT NULL DEFAULT 0,  -- the message that has its key is erased
  erase INTEGER,  -- no message: this one is erased
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
CREATE TABLE rowcast_conflict(taken INTEGER PRIMARY KEY, chosen INTEGER NOT NULL);
INSERT INTO rowcast_conflict VALUES(1,0);
INSERT INTO rowcast_conflict VALUES(2,0);
DELETE FROM sqlite_sequence;
CREATE INDEX rowcast_copy_address ON rowcast_copy(segment, user, topic);
CREATE INDEX rowcast_copy_expiry ON rowcast_copy(expires_at) WHERE expires_at IS NOT NULL;
CREATE UNIQUE INDEX rowcast_copy_key ON rowcast_copy(key) WHERE key IS NOT NULL;
CREATE INDEX rowcast_outbox_key ON rowcast_outbox(key);
CREATE TRIGGER rowcast_outbox_new AFTER INSERT ON rowcast_outbox
BEGIN
  SELECT CASE
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
    WHEN length(CAST(NEW.key AS BLOB)) > 1024 OR instr(NEW.key, char(0)) > 0
    THEN RAISE(ABORT, 'key must be text of at most 1024 bytes without U+0000')
  END;
END;
CREATE VIEW message(id, user, topic, event, data, created_at, expires_at, key) AS
  SELECT id, user, topic, event, data, created_at, expires_at, key FROM rowcast_copy
  WHERE id > (SELECT trimmed FROM rowcast_state) AND event IS NOT 'rowcast.gap';
CREATE TRIGGER rowcast_insert INSTEAD OF INSERT ON message
BEGIN
  SELECT CASE
    WHEN NEW.id IS NOT NULL
    THEN RAISE(ABORT, 'id is given by the log that several machines share: leave id out')
    WHEN NEW.data IS NULL
    THEN RAISE(ABORT, 'NOT NULL constraint failed: message.data')
  END;
  INSERT OR REPLACE INTO rowcast_conflict SELECT 1, 1 WHERE NEW.key IS NOT NULL AND (EXISTS (SELECT 1 FROM rowcast_copy WHERE key = CAST(NEW.key AS TEXT))
    OR EXISTS (SELECT 1 FROM rowcast_outbox WHERE key = CAST(NEW.key AS TEXT)));
  INSERT OR IGNORE INTO rowcast_conflict SELECT 2, 1 WHERE NEW.key IS NOT NULL AND (EXISTS (SELECT 1 FROM rowcast_copy WHERE key = CAST(NEW.key AS TEXT))
    OR EXISTS (SELECT 1 FROM rowcast_outbox WHERE key = CAST(NEW.key AS TEXT)));
  SELECT CASE (SELECT sum(chosen) FROM rowcast_conflict)
    WHEN 0 THEN RAISE(IGNORE)
    WHEN 1 THEN RAISE(ABORT, 'UNIQUE constraint failed: message.key')
  END WHERE NEW.key IS NOT NULL AND (EXISTS (SELECT 1 FROM rowcast_copy WHERE key = CAST(NEW.key AS TEXT))
    OR EXISTS (SELECT 1 FROM rowcast_outbox WHERE key = CAST(NEW.key AS TEXT)));
  INSERT INTO rowcast_outbox(data, erase)
    SELECT '', id FROM rowcast_copy WHERE key = CAST(NEW.key AS TEXT) AND (SELECT chosen FROM rowcast_conflict WHERE taken = 2);
  DELETE FROM rowcast_copy WHERE key = CAST(NEW.key AS TEXT) AND (SELECT chosen FROM rowcast_conflict WHERE taken = 2);
  INSERT INTO rowcast_outbox(user, topic, event, data, created_at, expires_at, key, replaces)
    VALUES(NEW.user, NEW.topic, NEW.event, NEW.data,
      coalesce(NEW.created_at, CAST(strftime('%s','now') AS INTEGER)), NEW.expires_at,
      CAST(NEW.key AS TEXT), (SELECT chosen FROM rowcast_conflict WHERE taken = 2));
  UPDATE rowcast_conflict SET chosen = 0 WHERE chosen <> 0;
END;
CREATE TRIGGER rowcast_update INSTEAD OF UPDATE ON message
BEGIN
  SELECT RAISE(ABORT, 'a published message cannot change, since other machines have it too: delete it and insert another');
END;
CREATE TRIGGER rowcast_delete INSTEAD OF DELETE ON message
BEGIN
  DELETE FROM rowcast_copy WHERE id = OLD.id;
  INSERT INTO rowcast_outbox(data, erase) VALUES('', OLD.id);
END;
CREATE TRIGGER rowcast_copy_revokes AFTER INSERT ON rowcast_copy
WHEN NEW.topic = 'rowcast.control' AND NEW.event = 'revoke'
  AND NEW.user IS NOT NULL
BEGIN
  DELETE FROM rowcast_revoked WHERE user = NEW.user AND until < NEW.created_at;
  INSERT INTO rowcast_revoked(user, until) SELECT NEW.user, NEW.created_at
    WHERE NOT EXISTS (SELECT 1 FROM rowcast_revoked WHERE user = NEW.user);
END;
COMMIT;
