/* What a request brings waits in the writer's queue together with its reply, so the thread
 * that submitted it never waits for a commit. Answered by the writer's thread. */

#include "app/publish/submission.h"

#include <stdlib.h>

#include "lib/buf.h"
#include "lib/mem.h"

struct submission {
	struct writer_order order;
	struct publication publication;
	struct message *messages;  /* of the publication, in one array */
	char *publisher;
	struct reply reply;
};

static void
answer_stored(struct submission *s)
{
	const struct append *append = &s->order.append;
	struct buf json = BUF_EMPTY;
	char *text;

	if (s->publication.many) {
		buf_add_str(&json, "{\"ids\":[");
		for (size_t i = 0; i < append->n; i++)
			buf_printf(&json, "%s%lld", i > 0 ? "," : "", (long long)s->messages[i].id);
		buf_add_str(&json, "]}");
	} else {
		buf_printf(&json, "{\"id\":%lld}", (long long)s->messages[0].id);
	}
	text = buf_take(&json);
	reply_json(&s->reply, append->existed && !s->publication.many ? 200 : 201, NULL, text);
	free(text);
}

static void
answer(struct submission *s)
{
	switch (s->order.fate) {
	case WRITER_STORED:
		answer_stored(s);
		break;
	case WRITER_ENDED:
		reply_error(&s->reply, 409, NULL, "the topic has ended");
		break;
	case WRITER_REFUSED:
		reply_error(&s->reply, 400, NULL,
		    "nothing was stored: the table refuses the message; see the log");
		break;
	case WRITER_FAILED:
		reply_error(&s->reply, 503, "Retry-After: 1\r\n", s->order.sentence);
	}
}

/* submission_done answers a request, and frees what it has brought. */
static void
submission_done(struct writer_order *order)
{
	struct submission *s = CONTAINER_OF(order, struct submission, order);

	if (s->reply.conn != NULL)
		answer(s);
	publication_free(&s->publication);
	free(s->messages);
	free(s->publisher);
	free(s);
}

int
submission_give(struct writer *writer, struct publication *p, const char *publisher,
    struct reply *reply)
{
	struct submission *s = mem_zalloc(sizeof(*s));

	s->messages = mem_alloc(p->n * sizeof(*s->messages));
	for (size_t i = 0; i < p->n; i++) {
		s->messages[i] = p->drafts[i].message;
		s->order.n_bytes += s->messages[i].data_len;
	}
	s->publication = *p;
	s->publisher = mem_strdup(publisher);
	s->reply = *reply;
	s->order.append = (struct append){
		.messages = s->messages,
		.n = p->n,
		.publisher = s->publisher,
	};
	s->order.is_own = reply->conn == NULL;
	s->order.done = submission_done;
	if (writer_order(writer, &s->order) != 0) {
		free(s->messages);
		free(s->publisher);
		free(s);
		return WRITER_FULL;
	}
	*p = (struct publication){ 0 };
	reply->conn = NULL;
	return 0;
}
