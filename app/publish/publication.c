/* Parsing what one request to /msg asks to publish, and who may. Run by the thread
 * that serves the request; it touches the publication that it is given, no more.
 *
 * Whatever form a request comes in, it ends up as fields, which field.c reads:
 * so a form, a query string, a JSON object and a line of NDJSON cannot differ in
 * what they accept. The bytes of a value are copied once, into the message.
 *
 * Every refusal is one sentence for the person who wrote the request. */

#include "app/publish/publication.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "app/publish/field.h"
#include "lib/clock.h"
#include "lib/form.h"
#include "lib/mem.h"

enum {
	FORBIDDEN = 403,
	UNSUPPORTED = 415,
	/* In one JSON object, which has eight fields to fill, so most would be null.
	 * To jansson each costs as much as a hundred bytes of text. Picked, not tuned. */
	OBJECT_MAX_VALUES = 100,
};

/* ---- the forms ---- */

static int
read_pairs(struct field_reader *reader, struct draft *draft, const char *text, size_t len,
    const char *what)
{
	struct form form;
	int status = 0, outcome;

	form_init(&form, text, len);
	while (status == 0 && (outcome = form_next(&form)) != 0) {
		struct field_value v = { .kind = FIELD_TEXT, .text = form.value, .len = form.value_len };

		if (outcome == FORM_MALFORMED)
			status = field_refuse(reader, FIELD_BAD, "%s has a malformed percent escape", what);
		else if (outcome == FORM_TOO_MANY)
			status = field_refuse(reader, FIELD_BAD, "%s has too many fields", what);
		else if (strlen(form.name) != form.name_len)
			status = field_refuse(reader, FIELD_BAD, "the name of a field may not contain "
			    "U+0000");
		else
			status = field_read(reader, draft, form.name, &v);
	}
	form_free(&form);
	return status;
}

/* refuse_json makes a sentence of jansson's error, whose own text is for
 * programmers. */
static int
refuse_json(struct field_reader *reader, const json_error_t *error)
{
	switch (json_error_code(error)) {
	case json_error_duplicate_key:
		return field_refuse(reader, FIELD_BAD, "a field is given twice");
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return field_refuse(reader, FIELD_BAD, "the text may not contain U+0000");
	case json_error_invalid_utf8:
		return field_refuse(reader, FIELD_BAD, "the text is not valid UTF-8");
	case json_error_numeric_overflow:
		return field_refuse(reader, FIELD_BAD, "a number is too large");
	default:
		break;
	}
	if (reader->line > 0)
		return field_refuse(reader, FIELD_BAD, "not valid JSON (column %d)", error->column);
	return field_refuse(reader, FIELD_BAD, "the body is not valid JSON (line %d, column %d)",
	    error->line, error->column);
}

static struct field_value
json_to_value(const json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_STRING:
		return (struct field_value){ .kind = FIELD_TEXT, .text = json_string_value(json),
			.len = json_string_length(json) };
	case JSON_INTEGER:
		return (struct field_value){ .kind = FIELD_INTEGER, .integer = json_integer_value(json) };
	case JSON_REAL:
		return (struct field_value){ .kind = FIELD_REAL, .real = json_real_value(json) };
	case JSON_TRUE:
		return (struct field_value){ .kind = FIELD_TRUE };
	case JSON_FALSE:
		return (struct field_value){ .kind = FIELD_FALSE };
	default:
		return (struct field_value){ .kind = FIELD_OTHER };
	}
}

/* count_values returns how many values a text of JSON separates by commas, nested
 * ones included; of what is no JSON, anything. How deep they are nested jansson
 * bounds by itself. */
static size_t
count_values(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"')
			for (i++; i < len && text[i] != '"'; i++)
				i += text[i] == '\\';
		else
			n += text[i] == ',';
	}
	return n;
}

static int
read_object(struct field_reader *reader, struct draft *draft, const char *text,
    size_t len)
{
	json_error_t error;
	json_t *object;
	int status = 0;

	/* jansson passes over a NUL byte behind a number or a word. */
	if (memchr(text, '\0', len) != NULL)
		return field_refuse(reader, FIELD_BAD, "the text may not contain U+0000");
	if (count_values(text, len) > OBJECT_MAX_VALUES)
		return field_refuse(reader, FIELD_BAD, "the object has too many values; the fields"
		    " are msg, user, topic, event, all, key and ttl");
	object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (object == NULL)
		return refuse_json(reader, &error);
	if (!json_is_object(object))
		status = field_refuse(reader, FIELD_BAD, reader->line > 0 ? "not a JSON object" :
		    "the body is not a JSON object");
	for (void *at = json_object_iter(object); at != NULL && status == 0;
	    at = json_object_iter_next(object, at)) {
		struct field_value v = json_to_value(json_object_iter_value(at));

		if (!json_is_null(json_object_iter_value(at)))
			status = field_read(reader, draft, json_object_iter_key(at), &v);
	}
	json_decref(object);
	return status;
}

bool
publication_line_is_blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
			return false;
	return true;
}

int
publication_read_line(struct field_reader *reader, struct draft *draft, const char *line,
    size_t len)
{
	*draft = (struct draft){ .line = reader->line };
	reader->seen = 0;
	return read_object(reader, draft, line, len);
}

/* read_lines reads a body of NDJSON, each line into a draft. */
static int
read_lines(struct field_reader *reader, struct publication *p, const char *body,
    size_t body_len)
{
	const char *end = body + body_len, *next;
	size_t capacity = 0;

	for (; body < end; body = next) {
		const char *line_end = memchr(body, '\n', (size_t)(end - body));
		size_t len = (size_t)((line_end != NULL ? line_end : end) - body);
		struct draft *draft;
		int status;

		next = line_end != NULL ? line_end + 1 : end;
		reader->line++;
		if (publication_line_is_blank(body, len))
			continue;
		if (p->n == PUBLICATION_MAX_MESSAGES) {
			reader->line = 0;
			return field_refuse(reader, FIELD_TOO_LARGE, "more than %d messages in one request",
			    PUBLICATION_MAX_MESSAGES);
		}
		if (p->n == capacity) {
			capacity = capacity > 0 ? 2 * capacity : 1;
			p->drafts = mem_realloc(p->drafts, capacity * sizeof(p->drafts[0]));
		}
		draft = &p->drafts[p->n++];
		if ((status = publication_read_line(reader, draft, body, len)) != 0 ||
		    (status = field_check(reader, draft)) != 0)
			return status;
	}
	reader->line = 0;
	return p->n > 0 ? 0 : field_refuse(reader, FIELD_BAD, "the body has no message");
}

/* ---- the request ---- */

enum type { TYPE_NONE, TYPE_FORM, TYPE_JSON, TYPE_TEXT, TYPE_NDJSON, N_TYPES };

static const char *const type_names[N_TYPES] = {
	[TYPE_FORM] = "application/x-www-form-urlencoded",
	[TYPE_JSON] = "application/json",
	[TYPE_TEXT] = "text/plain",
	[TYPE_NDJSON] = "application/x-ndjson",
};

/* is_token: are the len bytes of text this token, in letters of any case? */
static bool
is_token(const char *text, size_t len, const char *token)
{
	return len == strlen(token) && strncasecmp(text, token, len) == 0;
}

/* is_charset_known returns false where the parameters (RFC 9110 5.6.6), which begin
 * at a ';', name a charset that is not a part of UTF-8. */
static bool
is_charset_known(const char *parameters)
{
	const char *at = parameters;

	while (*at == ';') {
		const char *name, *value;
		size_t name_len, value_len;

		at += 1 + strspn(at + 1, " \t");
		name = at;
		name_len = strcspn(at, "=; \t");
		at += name_len;
		if (*at != '=') {
			at += strcspn(at, ";");
			continue;
		}
		at++;
		if (*at == '"') {
			value = ++at;
			value_len = strcspn(at, "\"");
			at += value_len;
		} else {
			value = at;
			value_len = strcspn(at, "; \t");
			at += value_len;
		}
		at += strcspn(at, ";");
		if (is_token(name, name_len, "charset") && !is_token(value, value_len, "utf-8") &&
		    !is_token(value, value_len, "utf8") && !is_token(value, value_len, "us-ascii"))
			return false;
	}
	return true;
}

int
publication_type(const char *content_type, const char *const types[], size_t n)
{
	/* A web server may pass an empty one where the client sent none. */
	const char *name = content_type != NULL ? content_type + strspn(content_type, " \t") : "";
	size_t len = strcspn(name, "; \t"), type = 0;

	while (type < n && (types[type] == NULL || !is_token(name, len, types[type])))
		type++;
	if (type < n && !is_charset_known(name + strcspn(name, ";")))
		return -1;
	return (int)type;
}

/* read_type sets *type to the form that the body has. 0, or the status. */
static int
read_type(struct field_reader *reader, const char *content_type, size_t body_len,
    enum type *type)
{
	bool is_given = content_type != NULL && content_type[strspn(content_type, " \t")] != '\0';
	int found = publication_type(content_type, type_names, N_TYPES);

	*type = TYPE_NONE;
	if (!is_given && body_len == 0)
		return 0;
	if (found == N_TYPES)
		return field_refuse(reader, UNSUPPORTED, "%s; send application/x-www-form-urlencoded, "
		    "application/json, text/plain or application/x-ndjson",
		    !is_given ? "the body has no Content-Type" : "this Content-Type is not supported");
	if (found < 0)
		return field_refuse(reader, UNSUPPORTED, PUBLICATION_CHARSET);
	*type = (enum type)found;
	return 0;
}

static int
read_text(struct field_reader *reader, struct draft *draft, const char *body,
    size_t body_len)
{
	struct field_value v = { .kind = FIELD_TEXT, .text = body, .len = body_len };

	return field_read(reader, draft, "msg", &v);
}

/* read_one reads a request for one message. */
static int
read_one(struct field_reader *reader, struct draft *draft, enum type type,
    const char *query, const char *body, size_t body_len)
{
	int status = read_pairs(reader, draft, query, strlen(query), "the query");

	if (status == 0 && type == TYPE_FORM)
		status = read_pairs(reader, draft, body, body_len, "the body");
	if (status == 0 && type == TYPE_JSON)
		status = read_object(reader, draft, body, body_len);
	if (status == 0 && type == TYPE_TEXT)
		status = read_text(reader, draft, body, body_len);
	return status == 0 ? field_check(reader, draft) : status;
}

int
publication_parse(struct publication *p, const char *query, const char *content_type,
    const char *body, size_t body_len, size_t max_message_bytes)
{
	struct field_reader reader = {
		.error = p->error,
		.max_message_bytes = max_message_bytes,
		.now = clock_wall_s(),
	};
	enum type type;
	int status;

	p->drafts = NULL;
	p->n = 0;
	p->many = false;
	p->error[0] = '\0';
	if (query == NULL)
		query = "";
	if (body_len == 0)
		body = "";
	status = read_type(&reader, content_type, body_len, &type);
	if (status != 0)
		return status;
	if (type == TYPE_NDJSON) {
		p->many = true;
		status = query[strspn(query, "&")] != '\0' ?
		    field_refuse(&reader, FIELD_BAD, "with application/x-ndjson the fields belong "
		    "in the lines, not in the query") :
		    read_lines(&reader, p, body, body_len);
	} else {
		p->drafts = mem_zalloc(sizeof(p->drafts[0]));
		p->n = 1;
		status = read_one(&reader, &p->drafts[0], type, query, body, body_len);
	}
	if (status != 0)
		publication_free(p);
	return status;
}

int
publication_authorize(struct publication *p, const struct identity *id)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct draft *draft = &p->drafts[i];
		struct field_reader reader = { .error = p->error, .line = draft->line };
		const struct message *m = &draft->message;
		const char *whom = NULL;

		if (m->topic != NULL && message_topic_is_reserved(m->topic)) {
			if (!id->may_admin)
				return field_refuse(&reader, FORBIDDEN, "sending to a topic that begins with"
				    " rowcast. needs a token with the scope rowcast:admin");
			continue;
		}
		if (draft->all)
			whom = "to everyone";
		else if (m->topic != NULL)
			whom = "to a topic";
		else if (m->user != NULL && strcmp(m->user, id->user) != 0)
			whom = "to another user";
		if (whom != NULL && !id->may_publish)
			return field_refuse(&reader, FORBIDDEN,
			    "sending %s needs a token with the scope rowcast:publish", whom);
	}
	for (size_t i = 0; i < p->n; i++) {
		struct message *m = &p->drafts[i].message;

		if (!p->drafts[i].all && m->topic == NULL && m->user == NULL)
			m->user = mem_strdup(id->user);
	}
	return 0;
}

void
publication_free(struct publication *p)
{
	for (size_t i = 0; i < p->n; i++)
		message_free(&p->drafts[i].message);
	free(p->drafts);
	p->drafts = NULL;
	p->n = 0;
}
