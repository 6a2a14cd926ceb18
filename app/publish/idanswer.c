#include "app/publish/idanswer.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/socket.h>

#include "lib/fcgi.h"

enum {
	PIECE_BYTES = 16 << 10,  /* of text, about */
	PIECES_MAX = 8,          /* in one turn */
};

void
idanswer_begin(struct idanswer *answer, const struct reply *reply, const struct idlist *ids)
{
	struct buf head = BUF_EMPTY;

	*answer = (struct idanswer){ 0 };
	reply_head(reply, &head, ids->n > 0 ? 201 : 200, "application/json");
	buf_add_str(&head, "\r\n{\"ids\":[");
	reply_frame(&answer->out, reply->request_id, head.bytes, head.len);
	buf_free(&head);
}

void
idanswer_free(struct idanswer *answer)
{
	buf_free(&answer->out);
}

/* fill writes the next records. */
static void
fill(struct idanswer *answer, const struct reply *reply, const struct idlist *ids)
{
	unsigned char end[FCGI_END_BYTES];
	struct buf text = BUF_EMPTY;
	int64_t id;

	answer->out.len = answer->at = 0;
	while (text.len < PIECE_BYTES && !answer->has_ended) {
		bool is_first = answer->reader.at == 0;

		if (idlist_next(ids, &answer->reader, &id)) {
			buf_printf(&text, "%s%" PRId64, is_first ? "" : ",", id);
		} else {
			buf_add_str(&text, "]}");
			answer->has_ended = true;
		}
	}
	reply_frame(&answer->out, reply->request_id, text.bytes, text.len);
	buf_free(&text);
	if (answer->has_ended) {
		fcgi_end(end, reply->request_id);
		buf_add(&answer->out, end, sizeof(end));
	}
}

enum idanswer_outcome
idanswer_send(struct idanswer *answer, const struct reply *reply, const struct idlist *ids)
{
	for (int i = 0; i < PIECES_MAX; ) {
		size_t left = answer->out.len - answer->at;
		ssize_t n;

		if (left == 0) {
			if (answer->has_ended)
				return IDANSWER_SENT;
			fill(answer, reply, ids);
			i++;
			continue;
		}
		n = send(reply->conn->fd, answer->out.bytes + answer->at, left,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? IDANSWER_FULL : IDANSWER_BROKEN;
		answer->at += (size_t)n;
	}
	return IDANSWER_MORE;
}
