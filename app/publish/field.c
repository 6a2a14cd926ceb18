/* One field of a message after the other: what each accepts, and in which words it
 * is refused. Run by the thread that serves the request, or by `rowcast publish`;
 * it touches the reader and the draft that it is given. */

#include "app/publish/field.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/units.h"
#include "lib/utf8.h"

#define TTL_MAX_S (INT64_C(10) * 365 * 86400) /* ten years; picked, not tuned */
#define RESERVED_EVENTS "rowcast."            /* events that the server itself sends */
#define NAME_SHOWN_BYTES 32                   /* a longer unknown field is not repeated */

int
field_refuse(struct field_reader *reader, int status, const char *format, ...)
{
	size_t len = 0;
	va_list ap;

	if (reader->line > 0)
		len = (size_t)snprintf(reader->error, FIELD_ERROR_BYTES, "line %zu: ",
		    reader->line);
	va_start(ap, format);
	vsnprintf(reader->error + len, FIELD_ERROR_BYTES - len, format, ap);
	va_end(ap);
	return status;
}

enum name {
	MSG,
	DATA,
	USER,
	TOPIC,
	EVENT,
	ALL,
	KEY,
	TTL,
	N_NAMES,
};

static const char *const names[N_NAMES] = {
	[MSG] = "msg",
	[DATA] = "data",
	[USER] = "user",
	[TOPIC] = "topic",
	[EVENT] = "event",
	[ALL] = "all",
	[KEY] = "key",
	[TTL] = "ttl",
};

/* check_text refuses U+0000 and what is not UTF-8. In JSON jansson has refused it
 * before; in the other forms nobody has. */
static int
check_text(struct field_reader *reader, const char *name, const char *text, size_t len)
{
	if (utf8_is_text(text, len))
		return 0;
	return field_refuse(reader, FIELD_BAD, memchr(text, '\0', len) != NULL ?
	    "%s may not contain U+0000" : "%s is not valid UTF-8", name);
}

static int
read_data(struct field_reader *reader, struct message *m, const char *name,
    const struct field_value *v)
{
	int status;

	if (v->kind != FIELD_TEXT)
		return field_refuse(reader, FIELD_BAD, "%s must be a string", name);
	if (v->len > reader->max_message_bytes)
		return field_refuse(reader, FIELD_TOO_LARGE,
		    "%s is %zu bytes long, at most %zu are allowed", name, v->len,
		    reader->max_message_bytes);
	if ((status = check_text(reader, name, v->text, v->len)) != 0)
		return status;
	m->data = mem_strndup(v->text, v->len);
	m->data_len = v->len;
	return 0;
}

/* read_name reads a field that names something. */
static int
read_name(struct field_reader *reader, char **field, const char *name, size_t max_bytes,
    bool may_be_integer, const struct field_value *v)
{
	int status;

	if (v->kind == FIELD_INTEGER && may_be_integer) {
		*field = mem_printf("%lld", (long long)v->integer);
		return 0;
	}
	if (v->kind != FIELD_TEXT)
		return field_refuse(reader, FIELD_BAD, may_be_integer ?
		    "%s must be a string or an integer" : "%s must be a string", name);
	if (v->len == 0)
		return field_refuse(reader, FIELD_BAD, "%s is empty", name);
	if (v->len > max_bytes)
		return field_refuse(reader, FIELD_BAD, "%s is %zu bytes long, at most %zu are allowed",
		    name, v->len, max_bytes);
	if ((status = check_text(reader, name, v->text, v->len)) != 0)
		return status;
	*field = mem_strndup(v->text, v->len);
	return 0;
}

/* read_event takes an empty event for none: a form sends a field that was left
 * empty too. */
static int
read_event(struct field_reader *reader, struct message *m, const struct field_value *v)
{
	int status;

	if (v->kind == FIELD_TEXT && v->len == 0)
		return 0;
	status = read_name(reader, &m->event, "event", EVENT_MAX_BYTES, false, v);
	if (status != 0)
		return status;
	if (strpbrk(m->event, "\r\n") != NULL)
		return field_refuse(reader, FIELD_BAD, "event may not contain a line break");
	if (strncmp(m->event, RESERVED_EVENTS, strlen(RESERVED_EVENTS)) == 0
	    && strcmp(m->event, MESSAGE_EVENT_END) != 0)
		return field_refuse(reader, FIELD_BAD,
		    "event may not begin with " RESERVED_EVENTS ", those are the server's own");
	/* Their names set off the handlers that a browser has for its own. */
	if (strcmp(m->event, "error") == 0 || strcmp(m->event, "open") == 0)
		return field_refuse(reader, FIELD_BAD,
		    "event may not be error or open, those are the browser's own");
	return 0;
}

static int
read_all(struct field_reader *reader, struct draft *draft, const struct field_value *v)
{
	bool is_word = v->kind == FIELD_TEXT && strlen(v->text) == v->len;

	if (v->kind == FIELD_TRUE || (v->kind == FIELD_INTEGER && v->integer == 1) ||
	    (is_word && (strcmp(v->text, "1") == 0 || strcmp(v->text, "true") == 0)))
		draft->all = true;
	else if (v->kind == FIELD_FALSE || (v->kind == FIELD_INTEGER && v->integer == 0) ||
	    (is_word && (strcmp(v->text, "0") == 0 || strcmp(v->text, "false") == 0)))
		draft->all = false;
	else
		return field_refuse(reader, FIELD_BAD, "all must be 1 or 0");
	return 0;
}

/* read_ttl rounds up to whole seconds, or a ttl of half a second could have passed
 * before the message is stored. */
static int
read_ttl(struct field_reader *reader, struct message *m, const struct field_value *v)
{
	int64_t ttl_s, ttl_ms;

	if (v->kind == FIELD_INTEGER) {
		ttl_s = v->integer;
	} else if (v->kind == FIELD_REAL) {
		if (!(v->real > 0 && v->real <= (double)TTL_MAX_S))
			goto beyond;
		ttl_s = (int64_t)v->real;
		if ((double)ttl_s < v->real)
			ttl_s++;
	} else if (v->kind == FIELD_TEXT && strlen(v->text) == v->len) {
		if (units_time_ms(v->text, &ttl_ms) < 0) {
			if (errno == ERANGE)
				goto beyond;
			goto malformed;
		}
		ttl_s = ttl_ms / 1000 + (ttl_ms % 1000 != 0);
	} else {
		goto malformed;
	}
	if (ttl_s <= 0 || ttl_s > TTL_MAX_S)
		goto beyond;
	m->expiry = EXPIRY_AT(reader->now + ttl_s);
	return 0;

malformed:
	return field_refuse(reader, FIELD_BAD,
	    "ttl must be a number of seconds or a time such as 500ms, 15s, 10m, 1h or 7d");
beyond:
	return field_refuse(reader, FIELD_BAD, "ttl must be more than 0 and at most 10 years");
}

static int
refuse_unknown(struct field_reader *reader, const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	if (name[len] != '\0' || len == 0 || len > NAME_SHOWN_BYTES)
		return field_refuse(reader, FIELD_BAD, "a field is unknown; the fields are msg, user, "
		    "topic, event, all, key and ttl");
	return field_refuse(reader, FIELD_BAD, "the field %s is unknown; the fields are msg, user, "
	    "topic, event, all, key and ttl", name);
}

int
field_read(struct field_reader *reader, struct draft *draft, const char *name,
    const struct field_value *v)
{
	struct message *m = &draft->message;
	unsigned int field = 0;

	while (field < N_NAMES && strcmp(name, names[field]) != 0)
		field++;
	if (field == N_NAMES)
		return refuse_unknown(reader, name);
	if ((reader->seen & 1u << field) != 0)
		return field_refuse(reader, FIELD_BAD, "%s is given twice", name);
	reader->seen |= 1u << field;

	switch (field) {
	case MSG:
	case DATA:
		if ((reader->seen & 1u << MSG) != 0 && (reader->seen & 1u << DATA) != 0)
			return field_refuse(reader, FIELD_BAD,
			    "msg and data are two names of one field; give one of them");
		return read_data(reader, m, name, v);
	case USER:
		return read_name(reader, &m->user, name, USER_MAX_BYTES, true, v);
	case TOPIC:
		return read_name(reader, &m->topic, name, TOPIC_MAX_BYTES, false, v);
	case EVENT:
		return read_event(reader, m, v);
	case ALL:
		return read_all(reader, draft, v);
	case KEY:
		return read_name(reader, &m->key, name, KEY_MAX_BYTES, true, v);
	default:
		return read_ttl(reader, m, v);
	}
}

int
field_check(struct field_reader *reader, const struct draft *draft)
{
	if (draft->message.data == NULL)
		return field_refuse(reader, FIELD_BAD, "msg is missing");
	if (draft->all && draft->message.user != NULL)
		return field_refuse(reader, FIELD_BAD, "all and user exclude each other");
	return field_check_end(reader, &draft->message);
}

int
field_check_end(struct field_reader *reader, const struct message *m)
{
	if (!message_is_end(m))
		return 0;
	if (m->topic == NULL)
		return field_refuse(reader, FIELD_BAD, MESSAGE_EVENT_END " ends a topic: topic is missing");
	if (message_topic_is_reserved(m->topic))
		return field_refuse(reader, FIELD_BAD, "a topic that begins with rowcast. does not end");
	if (m->user != NULL || m->expiry.ends)
		return field_refuse(reader, FIELD_BAD, MESSAGE_EVENT_END " ends a topic for everybody and for"
		    " good: leave out %s", m->user != NULL ? "user" : "ttl");
	return 0;
}
