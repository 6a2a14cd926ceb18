/* Entries of the stream (entry.h). Anybody may XADD, so nothing in one is trusted: it
 * has to be what the table of a machine without upstream takes (store/sqlite/schema.c). */

#include "app/upstream/redis/entry.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
	TIME_MAX_DIGITS = 10,
	ID_MAX_DIGITS = 16,
};
#define TIME_MAX INT64_C(4102444800)      /* the end of the year 2099, as in the table */
#define ID_MAX INT64_C(9007199254740991)  /* 2^53 - 1 */

static const char *
name_refusal(const char *name, const char *is_bad)
{
	return name != NULL && (name[0] == '\0' || strlen(name) > USER_MAX_BYTES) ? is_bad : NULL;
}

static const char *
event_refusal(const struct message *m)
{
	const char *event = m->event;

	if (event == NULL)
		return NULL;
	if (strlen(event) > EVENT_MAX_BYTES)
		return "its event is over 255 bytes";
	if (strpbrk(event, "\r\n") != NULL)
		return "its event has a line break";
	if (strcmp(event, MESSAGE_EVENT_END) == 0)
		return m->topic == NULL || message_topic_is_reserved(m->topic) || m->user != NULL
		    || m->expiry.ends ? "it is a rowcast.end without a topic, or of one of rowcast's own, or"
		    " with a user or expires_at" : NULL;
	if (strcmp(event, "error") == 0 || strcmp(event, "open") == 0
	    || strncmp(event, "rowcast.", 8) == 0)
		return "its event is error, open or rowcast.*";
	return NULL;
}

const char *
entry_refusal(const struct message *m)
{
	const char *refusal = name_refusal(m->user, "its user is empty or over 255 bytes");

	if (refusal == NULL)
		refusal = name_refusal(m->topic, "its topic is empty or over 255 bytes");
	if (refusal == NULL)
		refusal = event_refusal(m);
	if (refusal != NULL)
		return refusal;
	if (m->data == NULL)
		return "it has no data";
	if (m->data_len > ENTRY_DATA_MAX_BYTES)
		return "its data are over 1 MiB";
	if (memchr(m->data, '\0', m->data_len) != NULL)
		return "its data have U+0000";
	if (m->expiry.ends && (m->expiry.at < 1 || m->expiry.at > TIME_MAX))
		return "its expires_at is no time in Unix seconds";
	return NULL;
}

/* read_number reads what is nothing but decimal digits. */
static bool
read_number(const char *text, size_t len, size_t max_digits, int64_t *number)
{
	if (len == 0 || len > max_digits)
		return false;
	*number = 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*number = *number * 10 + (text[i] - '0');
	}
	return true;
}

static bool
is_named(const char *name, size_t len, const char *what)
{
	return len == strlen(what) && memcmp(name, what, len) == 0;
}

/* The bytes of an answer are the caller's, who does not change them. */
static char *
lend(const char *text)
{
	return (char *)(uintptr_t)text;
}

/* take_name: of user, topic, event, key. */
static const char *
take_name(char **name, const char *value, size_t len)
{
	if (*name != NULL)
		return "a field is given twice";
	if (memchr(value, '\0', len) != NULL)
		return "a field has U+0000";
	*name = lend(value);
	return NULL;
}

static const char *
take_field(struct message *m, const char *name, size_t name_len, const char *value, size_t len)
{
	if (is_named(name, name_len, "data")) {
		if (m->data != NULL)
			return "a field is given twice";
		m->data = lend(value);
		m->data_len = len;
		return NULL;
	}
	if (is_named(name, name_len, "user"))
		return take_name(&m->user, value, len);
	if (is_named(name, name_len, "topic"))
		return take_name(&m->topic, value, len);
	if (is_named(name, name_len, "event"))
		return take_name(&m->event, value, len);
	if (is_named(name, name_len, "key"))
		return take_name(&m->key, value, len);
	if (is_named(name, name_len, "expires_at")) {
		if (m->expiry.ends)
			return "a field is given twice";
		m->expiry.ends = true;
		if (!read_number(value, len, TIME_MAX_DIGITS, &m->expiry.at))
			return "its expires_at is no time in Unix seconds";
	}
	return NULL;
}

/* take_order takes the only field of an entry that is no message. */
static const char *
take_order(int64_t *id, const char *value, size_t len, const char *is_bad)
{
	if (read_number(value, len, ID_MAX_DIGITS, id) && *id >= 1 && *id <= ID_MAX)
		return NULL;
	*id = 0;
	return is_bad;
}

const char *
entry_read(const struct redis_value *fields, struct entry *entry)
{
	struct message *m = &entry->message;
	size_t n = redis_count(fields);

	*entry = (struct entry){ .erase = 0 };
	for (size_t i = 0; i + 1 < n; i += 2) {
		size_t name_len, len;
		const char *name = redis_text(redis_at(fields, i), &name_len);
		const char *value = redis_text(redis_at(fields, i + 1), &len);
		const char *refusal;

		if (name == NULL || value == NULL)
			return "a field is no text";
		if (n == 2 && is_named(name, name_len, "erase"))
			return take_order(&entry->erase, value, len, "its erase is no id");
		if (n == 2 && is_named(name, name_len, "forget"))
			return take_order(&entry->forget, value, len, "its forget is no id");
		refusal = take_field(m, name, name_len, value, len);
		if (refusal != NULL)
			return refusal;
	}
	if (m->key != NULL && (m->key[0] == '\0' || strlen(m->key) > ENTRY_KEY_MAX_BYTES))
		m->key = NULL;
	return entry_refusal(m);
}

void
entry_write(const struct message *m, const char *key, char time[ENTRY_TIME_BYTES],
    const char *args[ENTRY_ARGS], size_t lens[ENTRY_ARGS])
{
	time[0] = '\0';
	if (m->expiry.ends)
		snprintf(time, ENTRY_TIME_BYTES, "%" PRId64, (int64_t)m->expiry.at);
	args[0] = key != NULL ? key : "";
	args[1] = m->user != NULL ? m->user : "";
	args[2] = m->topic != NULL ? m->topic : "";
	args[3] = m->event != NULL ? m->event : "";
	args[4] = time;
	for (int i = 0; i < ENTRY_ARGS - 1; i++)
		lens[i] = strlen(args[i]);
	args[5] = m->data;
	lens[5] = m->data_len;
}
