/* A body that is followed, of any bytes: it gives the same messages, and is refused for the
 * same reason, in one piece and in any others. The first byte chooses the form and the bound on
 * a message, the second how it is cut, the rest is the body. */

#include "tests/fuzz/fuzz.h"

#include "app/publish/followed.h"

enum { SMALL_MESSAGE_BYTES = 20, LARGE_MESSAGE_BYTES = 4096, MAX_MESSAGES = 50 };

static void
begin(struct followed *followed, unsigned choice)
{
	followed_init(followed, choice & 1 ? FOLLOWED_EVENTS : FOLLOWED_LINES, "t",
	    choice & 2 ? LARGE_MESSAGE_BYTES : SMALL_MESSAGE_BYTES, MAX_MESSAGES);
}

static bool
is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
check_message(const struct followed *followed, const struct message *m)
{
	REQUIRE(m->data != NULL && m->data_len <= followed->max_message_bytes);
	REQUIRE(strlen(m->data) == m->data_len && text_is_utf8(m->data, m->data_len));
	REQUIRE(m->topic == followed->topic && m->user == NULL);
	if (m->event != NULL)
		REQUIRE(strpbrk(m->event, "\r\n") == NULL && text_is_utf8(m->event, strlen(m->event))
		    && (strncmp(m->event, "rowcast.", 8) != 0 || strcmp(m->event, "rowcast.end") == 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { (const char *)data, size };
	unsigned choice = input_byte(&in), cut = input_byte(&in);
	struct followed whole, cuts;

	begin(&whole, choice);
	begin(&cuts, choice);
	followed_read(&whole, in.at, in.left);
	for (size_t at = 0, n; at < in.left; at += n) {
		char *piece;

		n = 1 + cut % 7;
		cut = cut * 5 + 3;
		if (n > in.left - at)
			n = in.left - at;
		piece = mem_alloc(n);  /* so that who reads beyond it is caught */
		memcpy(piece, in.at + at, n);
		followed_read(&cuts, piece, n);
		free(piece);
	}
	followed_end(&whole);
	followed_end(&cuts);
	REQUIRE(whole.status == cuts.status && whole.has_ended == cuts.has_ended);
	REQUIRE(strcmp(whole.error, cuts.error) == 0);
	REQUIRE(whole.status == 0 || (text_is_sentence(whole.error)
	    && (whole.status == 400 || whole.status == 413)));
	REQUIRE(whole.batch.n == cuts.batch.n && whole.batch.n <= MAX_MESSAGES);
	for (size_t i = 0; i < whole.batch.n; i++) {
		const struct message *a = &whole.batch.messages[i], *b = &cuts.batch.messages[i];

		check_message(&whole, a);
		REQUIRE(whole.batch.lines[i] == cuts.batch.lines[i]);
		REQUIRE(is_same(a->event, b->event) && is_same(a->key, b->key));
		REQUIRE(a->data_len == b->data_len && memcmp(a->data, b->data, a->data_len) == 0);
		REQUIRE((i + 1 == whole.batch.n && whole.has_ended)
		    == (a->event != NULL && strcmp(a->event, "rowcast.end") == 0));
	}
	followed_free(&whole);
	followed_free(&cuts);
	return 0;
}
