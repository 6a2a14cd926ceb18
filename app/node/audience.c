/* Answers as JSON. What this machine knows is copied out of the tally before it is
 * written: the hub waits for its lock. */

#include "app/node/audience.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/jsontext.h"
#include "lib/mem.h"

void
audience_question_free(struct audience_question *question)
{
	free(question->name);
	*question = (struct audience_question){ 0 };
}

/* end adds the end of the object. */
static void
end(struct buf *json, bool is_partial)
{
	buf_add_str(json, is_partial ? ",\"partial\":true}" : "}");
}

/* ---- totals ---- */

static void
add_total(struct buf *json, size_t n_users, const struct upstream_node *nodes, size_t n)
{
	size_t n_streams = 0;

	for (size_t i = 0; i < n; i++)
		n_streams += nodes[i].n_streams;
	buf_printf(json, "{\"users\":%zu,\"streams\":%zu,\"nodes\":[", n_users, n_streams);
	for (size_t i = 0; i < n; i++) {
		buf_add_str(json, i > 0 ? ",{\"node\":" : "{\"node\":");
		jsontext_add_string(json, nodes[i].node);
		buf_printf(json, ",\"streams\":%zu,\"users\":%zu,\"seen\":%" PRId64 "}",
		    nodes[i].n_streams, nodes[i].n_users, nodes[i].seen);
	}
	buf_add_char(json, ']');
}

/* ---- one user ---- */

static void
add_user(struct buf *json, const char *user, const struct upstream_node *nodes, size_t n)
{
	size_t n_streams = 0;

	for (size_t i = 0; i < n; i++)
		n_streams += nodes[i].n_streams;
	buf_add_str(json, "{\"user\":");
	jsontext_add_string(json, user);
	buf_printf(json, ",\"streams\":%zu,\"nodes\":[", n_streams);
	for (size_t i = 0; i < n; i++) {
		buf_add_str(json, i > 0 ? "," : "");
		jsontext_add_string(json, nodes[i].node);
	}
	buf_add_char(json, ']');
}

/* ---- a list ---- */

/* add_list adds a page of n users, of which one more than a page tells that there are
 * more. */
static void
add_list(struct buf *json, const struct upstream_user *users, size_t n)
{
	size_t from = json->len, i;

	buf_add_str(json, "{\"users\":[");
	for (i = 0; i < n && i < AUDIENCE_PAGE && json->len - from < AUDIENCE_PAGE_BYTES; i++) {
		buf_add_str(json, i > 0 ? ",{\"user\":" : "{\"user\":");
		jsontext_add_string(json, users[i].user);
		buf_printf(json, ",\"streams\":%zu}", users[i].n_streams);
	}
	buf_add_str(json, "],\"next\":");
	if (i < n)
		jsontext_add_string(json, users[i - 1].user);
	else
		buf_add_str(json, "null");
}

/* A page of the tally, copied. */
struct copy {
	struct buf names;      /* each ended by NUL */
	size_t n_streams[AUDIENCE_PAGE + 1];
	size_t n;
};

static void
copy_row(void *context, const char *name, size_t n)
{
	struct copy *copy = context;

	buf_add(&copy->names, name, strlen(name) + 1);
	copy->n_streams[copy->n++] = n;
}

static void
list_here(struct buf *json, const char *after, struct tally *tally)
{
	struct copy *copy = mem_zalloc(sizeof(*copy));
	struct upstream_user *users;
	const char *name;

	tally_page(tally, after, AUDIENCE_PAGE + 1, copy_row, copy);
	users = mem_alloc((copy->n + 1) * sizeof(*users));
	name = copy->names.bytes;
	for (size_t i = 0; i < copy->n; i++, name += strlen(name) + 1)
		users[i] = (struct upstream_user){ name, copy->n_streams[i] };
	add_list(json, users, copy->n);
	free(users);
	buf_free(&copy->names);
	free(copy);
}

/* ---- all of them ---- */

void
audience_here(struct buf *json, const struct audience_question *question,
    struct tally *users, const char *node, bool is_partial)
{
	struct upstream_node here = { .node = node, .seen = clock_wall_s() };

	switch (question->kind) {
	case AUDIENCE_TOTAL:
		here.n_streams = tally_total(users, &here.n_users);
		add_total(json, here.n_users, &here, 1);
		break;
	case AUDIENCE_USER:
		here.n_streams = tally_of(users, question->name);
		add_user(json, question->name, &here, here.n_streams > 0);
		break;
	case AUDIENCE_LIST:
		list_here(json, question->name, users);
		break;
	}
	end(json, is_partial);
}

int
audience_everywhere(struct buf *json, const struct audience_question *question,
    struct upstream *log)
{
	const struct upstream_node *nodes;
	const struct upstream_user *users;
	size_t n, n_users;
	int outcome = 0;

	switch (question->kind) {
	case AUDIENCE_TOTAL:
		outcome = upstream_nodes(log, &nodes, &n, &n_users);
		if (outcome == 0)
			add_total(json, n_users, nodes, n);
		break;
	case AUDIENCE_USER:
		outcome = upstream_user_nodes(log, question->name, &nodes, &n);
		if (outcome == 0)
			add_user(json, question->name, nodes, n);
		break;
	case AUDIENCE_LIST:
		outcome = upstream_users(log, question->name, AUDIENCE_PAGE + 1, &users, &n);
		if (outcome == 0)
			add_list(json, users, n);
		break;
	}
	if (outcome == 0)
		end(json, false);
	return outcome;
}
