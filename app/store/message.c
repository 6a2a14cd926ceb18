/* Messages as values: nothing here touches more than what it is given. */

#include "app/store/message.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"

bool
message_topic_is_reserved(const char *topic)
{
	static const char reserved[] = "rowcast.";

	return strncmp(topic, reserved, strlen(reserved)) == 0;
}

bool
message_is_gap(const struct message *m)
{
	return m->event != NULL && strcmp(m->event, MESSAGE_EVENT_GAP) == 0;
}

bool
message_is_end(const struct message *m)
{
	return m->event != NULL && strcmp(m->event, MESSAGE_EVENT_END) == 0;
}

void
message_free(struct message *m)
{
	free(m->user);
	free(m->topic);
	free(m->event);
	free(m->data);
	free(m->key);
	*m = (struct message){ 0 };
}

char *
message_scope_key(const char *publisher, const char *key)
{
	struct buf scoped = BUF_EMPTY;

	for (; *publisher != '\0'; publisher++) {
		if (*publisher == '/' || *publisher == '%')
			buf_printf(&scoped, "%%%02X", (unsigned)*publisher);
		else
			buf_add_char(&scoped, *publisher);
	}
	buf_add_char(&scoped, '/');
	buf_add_str(&scoped, key);
	return buf_take(&scoped);
}
