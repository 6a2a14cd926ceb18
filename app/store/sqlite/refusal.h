/* What a message may not be, in SQL: the same words for those who insert into a file of
 * our own (schema.c) and into a machine's copy (schema_copy.c). Part of the schema:
 * files have them as they were when they were made. */
#ifndef APP_STORE_SQLITE_REFUSAL_H
#define APP_STORE_SQLITE_REFUSAL_H

#include "app/store/message.h"

/* The end of the year 2099. Above it lies what is no second but a millisecond. */
#define REFUSAL_TIME_MAX "4102444800"

/* is_float(column): is it what SQLite makes of a whole number that was bound as
 * floating point? The column is text, so nobody sees the number that was. SQLite
 * makes "42.0" and "1.0e+15" of it, and nothing else that is read back as a whole
 * number stays as it was. The two first questions spare most names the others:
 * such a text begins with a digit or a minus, and has a point. */
#define REFUSAL_IS_FLOAT(column) \
	"(" column " < ':' AND instr(" column ", '.')\n" \
	"      AND CAST(CAST(" column " AS REAL) AS TEXT) = " column "\n" \
	"      AND (abs(CAST(" column " AS REAL)) >= 9007199254740992.0\n" \
	"        OR CAST(CAST(" column " AS REAL) AS INTEGER) = CAST(" column " AS REAL)))"

/* Of the columns that name somebody or something. */
#define REFUSAL_OF_NAME(name) \
	"    WHEN length(CAST(NEW." name " AS BLOB)) > 255\n" \
	"    THEN RAISE(ABORT, '" name " must not be over 255 bytes: choose a shorter one')\n" \
	"    WHEN " REFUSAL_IS_FLOAT("NEW." name) "\n" \
	"    THEN RAISE(ABORT, '" name " is a whole number that was bound as floating point" \
	" (42.0 is not 42): bind it as text or as an integer')\n"

/* The constraints of a table of messages. */
#define REFUSAL_CHECKS \
	"  CONSTRAINT \"data must be text without U+0000\"\n" \
	"    CHECK (typeof(data) = 'text' AND instr(data, char(0)) = 0),\n" \
	"  CONSTRAINT \"data must not be over 1 MiB\"\n" \
	"    CHECK (length(CAST(data AS BLOB)) <= 1048576),\n" \
	"  CONSTRAINT \"event must be text without a line break\"\n" \
	"    CHECK (event IS NULL OR (typeof(event) = 'text' AND instr(event, char(10)) = 0\n" \
	"      AND instr(event, char(13)) = 0 AND instr(event, char(0)) = 0)),\n" \
	"  CONSTRAINT \"user must be NULL or text, not empty and without U+0000\"\n" \
	"    CHECK (user IS NULL OR (typeof(user) = 'text' AND user <> ''\n" \
	"      AND instr(user, char(0)) = 0)),\n" \
	"  CONSTRAINT \"topic must be NULL or text, not empty and without U+0000\"\n" \
	"    CHECK (topic IS NULL OR (typeof(topic) = 'text' AND topic <> ''\n" \
	"      AND instr(topic, char(0)) = 0)),\n" \
	"  CONSTRAINT \"created_at must be a number of Unix seconds\"\n" \
	"    CHECK (typeof(created_at) = 'integer'),\n" \
	"  CONSTRAINT \"expires_at must be NULL or a number of Unix seconds\"\n" \
	"    CHECK (expires_at IS NULL OR typeof(expires_at) = 'integer')\n"

/* What they do not refuse, as columns of a SELECT in a trigger, after the INSERT. Each row
 * meets it, and most columns of most rows are NULL: then one question is all. of_topic: more
 * branches of a row that has a topic. */
#define REFUSAL_OF_NEW(of_topic) \
	"    CASE WHEN NEW.created_at NOT BETWEEN 1 AND " REFUSAL_TIME_MAX "\n" \
	"    THEN RAISE(ABORT, 'created_at must be Unix seconds, from 1 to the year 2100 (not" \
	" milliseconds): leave it out for now')\n" \
	"    WHEN NEW.expires_at NOT BETWEEN 1 AND " REFUSAL_TIME_MAX "\n" \
	"    THEN RAISE(ABORT, 'expires_at must be Unix seconds, from 1 to the year 2100 (not" \
	" milliseconds), or NULL for never')\n" \
	"    END, CASE WHEN NEW.user IS NOT NULL THEN CASE\n" \
	REFUSAL_OF_NAME("user") \
	"    END END, CASE WHEN NEW.topic IS NOT NULL THEN CASE\n" \
	REFUSAL_OF_NAME("topic") \
	of_topic \
	"    END END, CASE WHEN NEW.event IS NOT NULL THEN CASE\n" \
	"    WHEN length(CAST(NEW.event AS BLOB)) > 255\n" \
	"    THEN RAISE(ABORT, 'event must not be over 255 bytes: choose a shorter one')\n" \
	"    WHEN NEW.event = '" MESSAGE_EVENT_END "' AND (NEW.topic IS NULL OR NEW.user IS NOT NULL\n" \
	"      OR NEW.expires_at IS NOT NULL OR (NEW.topic >= 'rowcast.' AND NEW.topic < 'rowcast/'))\n" \
	"    THEN RAISE(ABORT, 'event " MESSAGE_EVENT_END " ends a topic: give it one that does not begin with" \
	" rowcast., and neither user nor expires_at')\n" \
	"    WHEN NEW.event IN ('error', 'open') OR (NEW.event >= 'rowcast.' AND NEW.event < 'rowcast/'\n" \
	"      AND NEW.event <> '" MESSAGE_EVENT_END "')\n" \
	"    THEN RAISE(ABORT, 'event must not be error, open or begin with rowcast., which mean" \
	" something else to browsers and rowcast: choose another name')\n" \
	"    END END\n"

#endif
