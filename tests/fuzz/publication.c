/* publication_parse on any query and body. The first byte chooses the content
 * type (or that the first line is the content type) and the bound on a message,
 * the next line is the query, the rest the body. */

#include "tests/fuzz/fuzz.h"

#include "app/publish/publication.h"

enum { SMALL_MESSAGE_BYTES = 40, LARGE_MESSAGE_BYTES = 65536, TYPES_CHOICES = 8 };

#define TEN_YEARS_S (INT64_C(10) * 365 * 86400)

static const char *const types[TYPES_CHOICES] = {
	NULL,
	"application/x-www-form-urlencoded",
	"application/json",
	"text/plain",
	"application/x-ndjson",
	"application/json; charset=\"UTF-8\"",
	"",
	NULL,  /* the first line of the input */
};
enum { TYPE_FROM_INPUT = 7 };

static void
check_name(const char *name, size_t max_bytes)
{
	if (name == NULL)
		return;
	REQUIRE(*name != '\0' && strlen(name) <= max_bytes);
	REQUIRE(text_is_utf8(name, strlen(name)));
}

static void
check_draft(const struct draft *draft, size_t max_bytes, wall_s before, wall_s after)
{
	const struct message *m = &draft->message;

	REQUIRE(m->data != NULL && m->data_len <= max_bytes);
	REQUIRE(strlen(m->data) == m->data_len);
	REQUIRE(text_is_utf8(m->data, m->data_len));
	check_name(m->user, USER_MAX_BYTES);
	check_name(m->topic, TOPIC_MAX_BYTES);
	check_name(m->event, EVENT_MAX_BYTES);
	check_name(m->key, KEY_MAX_BYTES);
	if (m->event != NULL)
		REQUIRE(strpbrk(m->event, "\r\n") == NULL && (strncmp(m->event, "rowcast.", 8) != 0
		    || (strcmp(m->event, "rowcast.end") == 0 && m->topic != NULL)));
	REQUIRE(!draft->all || m->user == NULL);
	if (m->expiry.ends)
		REQUIRE(m->expiry.at > before && m->expiry.at <= after + TEN_YEARS_S);
	REQUIRE(m->id == 0);
}

/* check_authorize: without the scope a message goes to oneself or nowhere. */
static void
check_authorize(struct publication *p, bool may_publish)
{
	char user[] = "42";
	struct identity id = { .user = user, .may_publish = may_publish };
	int status = publication_authorize(p, &id);

	if (status != 0) {
		REQUIRE(status == 403 && !may_publish && text_is_sentence(p->error));
		return;
	}
	for (size_t i = 0; i < p->n; i++) {
		const struct message *m = &p->drafts[i].message;

		if (!may_publish)
			REQUIRE(!p->drafts[i].all && m->topic == NULL && strcmp(m->user, user) == 0);
		REQUIRE(m->user != NULL || m->topic != NULL || p->drafts[i].all);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { (const char *)data, size };
	unsigned choice = input_byte(&in);
	size_t max_bytes = choice & 0x08 ? LARGE_MESSAGE_BYTES : SMALL_MESSAGE_BYTES;
	char *line = choice % TYPES_CHOICES == TYPE_FROM_INPUT ? input_line(&in) : NULL;
	const char *type = line != NULL ? line : types[choice % TYPES_CHOICES];
	char *query = input_line(&in);
	wall_s before = clock_wall_s();
	struct publication p;
	int status = publication_parse(&p, query, type, in.at, in.left, max_bytes);

	if (status != 0) {
		REQUIRE(status == 400 || status == 413 || status == 415);
		REQUIRE(memchr(p.error, '\0', sizeof(p.error)) != NULL && text_is_sentence(p.error));
		REQUIRE(p.drafts == NULL && p.n == 0);
	} else {
		REQUIRE(in.left == 0 || memchr(in.at, '\0', in.left) == NULL);
		REQUIRE(p.n >= 1 && p.n <= PUBLICATION_MAX_MESSAGES && (p.many || p.n == 1));
		for (size_t i = 0; i < p.n; i++) {
			check_draft(&p.drafts[i], max_bytes, before, clock_wall_s());
			REQUIRE(p.many == (p.drafts[i].line > 0));
		}
		check_authorize(&p, choice & 0x10);
		publication_free(&p);
	}
	free(query);
	free(line);
	return 0;
}
