/* The head of an answer, line by line. */

#include "app/probe/head.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/mem.h"

enum { VALUE_BYTES = 200 };

static const char *const names[HEAD_N_FIELDS] = {
	[HEAD_AGE] = "age",
	[HEAD_CACHE_CONTROL] = "cache-control",
	[HEAD_CONTENT_ENCODING] = "content-encoding",
	[HEAD_CONTENT_LENGTH] = "content-length",
	[HEAD_CONTENT_TYPE] = "content-type",
	[HEAD_ETAG] = "etag",
	[HEAD_EXPIRES] = "expires",
	[HEAD_LOCATION] = "location",
	[HEAD_SERVER] = "server",
	[HEAD_VIA] = "via",
	[HEAD_X_CACHE] = "x-cache",
};

void
head_free(struct head *head)
{
	for (size_t i = 0; i < HEAD_N_FIELDS; i++)
		free(head->fields[i]);
	*head = (struct head){ 0 };
}

/* take_status reads "HTTP/1.1 200 OK" or "HTTP/2 200". */
static void
take_status(struct head *head, const char *line, size_t n)
{
	char text[32];

	if (n >= sizeof(text))
		n = sizeof(text) - 1;
	memcpy(text, line, n);
	text[n] = '\0';
	head_free(head);
	head->version = (int)strtol(text + 5, NULL, 10) * 10;
	if (strncmp(text + 5, "1.1", 3) == 0)
		head->version = 11;
	head->status = strchr(text, ' ') != NULL ? (int)strtol(strchr(text, ' '), NULL, 10) : 0;
	if (head->status < 200)
		head->status = 0;  /* the final one is still to come */
}

static void
take_value(char **field, const char *value, size_t n)
{
	char *text = mem_strndup(value, n < VALUE_BYTES ? n : VALUE_BYTES);
	char *before = *field;

	for (char *c = text; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	*field = before == NULL ? text : strlen(before) > VALUE_BYTES ? mem_strdup(before)
	    : mem_printf("%s, %s", before, text);
	if (before != NULL) {
		free(before);
		free(text);
	}
}

void
head_take(struct head *head, const char *line, size_t n)
{
	const char *colon;
	size_t name_len, at;

	while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == '\n' || line[n - 1] == ' '))
		n--;
	if (n > 5 && strncasecmp(line, "HTTP/", 5) == 0) {
		take_status(head, line, n);
		return;
	}
	colon = memchr(line, ':', n);
	if (colon == NULL)
		return;
	name_len = (size_t)(colon - line);
	for (at = name_len + 1; at < n && (line[at] == ' ' || line[at] == '\t'); at++)
		;
	for (size_t i = 0; i < HEAD_N_FIELDS; i++)
		if (strlen(names[i]) == name_len && strncasecmp(line, names[i], name_len) == 0)
			take_value(&head->fields[i], line + at, n - at);
}
