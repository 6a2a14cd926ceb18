/* Do events come at once? Messages go to the token's own user, through the same web
 * server, with an event name that no page listens to and a short life; each is timed
 * from the answer to its POST, when it is committed, to its blank line on the stream.
 *
 * The stream offers to take compressed answers, as browsers do. Where it is compressed, or
 * held back, the same is done once more without that offer: so it shows which it is. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "app/probe/chain.h"
#include "app/probe/listening.h"
#include "lib/mem.h"

enum {
	ANSWER_MS = 10 * 1000,    /* for a POST, or an answer that is no stream */
	BEGIN_MS = 3000,          /* for the first block of a stream */
	HELD_MS = 3000,           /* what has not come by then is held back */
	HELD_AGAIN_MS = 1000,     /* and so is what comes behind it */
	SLOW_MS = 500,            /* a busy machine may take so long, but not three times */
	N_TRIES = 3,
};

/* Around what servers collect: 4, 8, 16 KiB; the last is below any max_message. */
static const size_t sizes[] = { 64, 1000, 4000, 16000, 60000 };
enum { N_SIZES = sizeof(sizes) / sizeof(sizes[0]) };

struct delivery {
	struct listening listening;
	int delays_ms[N_SIZES];   /* -1: held back; -2: not sent */
	int number;               /* of the message sent last */
	size_t sent, sent_alone;  /* bytes of messages; up to when one came that was held back */
	bool has_come;            /* one that was held back has come */
};

void
chain_wait_done(struct chain *chain, const struct fetch *fetch, int wait_ms)
{
	mono_us deadline = clock_mono_in_ms(wait_ms);

	while (!fetch->is_done && clock_mono_us() < deadline)
		fetcher_turn(chain->fetcher, deadline);
}

void
chain_wait_head(struct chain *chain, const struct fetch *fetch, int wait_ms)
{
	mono_us deadline = clock_mono_in_ms(wait_ms);

	while (!fetch->is_done && fetch->head.status == 0 && clock_mono_us() < deadline)
		fetcher_turn(chain->fetcher, deadline);
}

static int __attribute__((format(printf, 1, 2)))
cannot(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("rowcast probe: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	return -1;
}

/* ---- is it a stream at all? ---- */

static bool
is_type(const struct head *head, const char *type)
{
	const char *field = head->fields[HEAD_CONTENT_TYPE];

	return field != NULL && strncasecmp(field, type, strlen(type)) == 0;
}

/* error_in returns the sentence in {"error":"..."}, in place, or NULL. */
static const char *
error_in(struct fetch *fetch)
{
	static const char key[] = "{\"error\":\"";
	char *end;

	buf_add_char(&fetch->body, '\0');
	fetch->body.len--;
	if (strncmp(fetch->body.bytes, key, sizeof(key) - 1) != 0)
		return NULL;
	end = strchr(fetch->body.bytes + sizeof(key) - 1, '"');
	if (end != NULL)
		*end = '\0';
	return fetch->body.bytes + sizeof(key) - 1;
}

/* refuse says why what has come is no stream. -1; or 0 where that is a fault on the way,
 * reported. */
static int
refuse(struct chain *chain, struct fetch *fetch)
{
	const struct head *head = &fetch->head;
	const char *server = chain->server != NULL ? chain->server : "a web server that does not name itself";
	const char *sentence = error_in(fetch);

	if (head->status == 0 && fetch->is_distrusted)
		return cannot("the certificate is not trusted: %s; if it is your own, say SSL_CERT_FILE=FILE"
		    " with its PEM in the environment", fetch->fault);
	if (head->status == 0)
		return cannot("nothing answers there: %s", fetch->fault != NULL ? fetch->fault
		    : "the connection ended without an answer");
	if (head->status >= 300 && head->status < 400)
		return cannot("%s answers %d and leads elsewhere: probe %s", server, head->status,
		    head->fields[HEAD_LOCATION] != NULL ? head->fields[HEAD_LOCATION] : "what it means");
	if (sentence != NULL && strstr(sentence, "token is required") != NULL) {
		report_fault(&chain->report, "the token does not get through: rowcast says \"%s\"", sentence);
		report_cure(&chain->report, CURE_CREDENTIALS);
		return 0;
	}
	if (sentence != NULL)
		return cannot("rowcast answers %d: %s", head->status, sentence);
	if (head->status == 401 || head->status == 403)
		return cannot("%s answers %d itself: it lets nobody to this path, or wants a password of its own",
		    server, head->status);
	if (head->status == 404)
		return cannot("%s answers 404: it does not pass this path to rowcast", server);
	if (head->status >= 500)
		return cannot("%s answers %d: it does not reach rowcast; is that running, is its socket the one"
		    " that the web server's configuration names, may the web server connect to it?",
		    server, head->status);
	if (head->status == 200)
		return cannot("%s answers with a page, not with a stream: it does not pass this path to rowcast",
		    server);
	return cannot("%s answers %d, and no stream", server, head->status);
}

/* note_server keeps what the first answer says of who gives it. */
static void
note_server(struct chain *chain, const struct head *head)
{
	if (head->status == 0 || chain->version != 0)
		return;
	chain->version = head->version;
	if (head->fields[HEAD_SERVER] != NULL)
		chain->server = mem_strdup(head->fields[HEAD_SERVER]);
	chain->report.server = chain->server;
}

/* judge: 0, it is a stream, or nothing has come yet; 1: a fault that ends the probing,
 * reported; -1: no stream. */
static int
judge(struct chain *chain, struct listening *listening)
{
	struct fetch *fetch = listening->fetch;
	const struct head *head = &fetch->head;

	if (head->status == 0 && !fetch->is_done)
		return 0;
	note_server(chain, head);
	if (head->status != 200 || is_type(head, "text/html")) {
		chain_wait_done(chain, fetch, ANSWER_MS);
		return refuse(chain, fetch) < 0 ? -1 : 1;
	}
	if (listening->is_expired)
		return cannot("the token is expired");
	if (listening->is_busy)
		return cannot("this user has as many streams open as max_streams_per_user allows, or all have as"
		    " many as max_streams: close some, or take another user's token");
	if (fetch->is_done && !listening->has_begun)
		return cannot("the stream ends at once: rowcast is away, and the web server says so in its place");
	return 0;
}

/* ---- messages ---- */

/* send_message: 0, it is committed, or is not taken at that size; -1: said on stderr. */
static int
send_message(struct chain *chain, struct delivery *d, size_t n, bool *is_sent)
{
	char *mark = listening_mark(chain->nonce, d->number + 1, n);
	char *json = mem_printf("{\"msg\":\"%s\",\"event\":\"rowcast-probe\",\"ttl\":\"1m\"}", mark);
	struct fetch *post = fetch_start(chain->fetcher, chain->msg, &(struct fetch_how){ .json = json });
	int rc = 0;

	chain_wait_done(chain, post, ANSWER_MS);
	note_server(chain, &post->head);
	*is_sent = post->head.status == 201;
	if (*is_sent) {
		d->number++;
		d->sent += n;
	} else if (!post->is_done || post->head.status == 0) {
		rc = cannot("POST to %s: %s", chain->msg, post->fault != NULL ? post->fault : "no answer in 10 s");
	} else if (post->head.status != 413 || n == sizes[0]) {
		const char *sentence = error_in(post);

		rc = cannot("POST to %s: %d%s%s; messages must get through, or nothing can be timed", chain->msg,
		    post->head.status, sentence != NULL ? ": " : "", sentence != NULL ? sentence : "");
	}
	fetch_stop(post);
	free(json);
	free(mark);
	return rc;
}

/* time_message sends one, and waits for it. *delay_ms is -1 where it does not come. */
static int
time_message(struct chain *chain, struct delivery *d, size_t n, int wait_ms, int *delay_ms)
{
	int before = d->listening.newest;
	mono_us committed_at, deadline;
	bool is_sent;

	if (send_message(chain, d, n, &is_sent) < 0)
		return -1;
	*delay_ms = -2;
	if (!is_sent)
		return 0;
	committed_at = clock_mono_us();
	deadline = committed_at + (mono_us)wait_ms * 1000;
	while (d->listening.newest < d->number && !d->listening.fetch->is_done
	    && clock_mono_us() < deadline)
		fetcher_turn(chain->fetcher, deadline);
	if (d->listening.newest > before && !d->has_come) {
		d->has_come = true;
		d->sent_alone = d->sent;
	}
	if (d->listening.newest < d->number)
		*delay_ms = -1;
	else
		*delay_ms = d->listening.newest_at > committed_at
		    ? (int)((d->listening.newest_at - committed_at) / 1000) : 0;
	return 0;
}

static bool
is_late(int delay_ms)
{
	return delay_ms == -1 || delay_ms > SLOW_MS;
}

/* run sends every size over one stream, or, without the offer, as many as come by
 * themselves. 0: done; 1: a fault that ends the probing; -1. */
static int
run(struct chain *chain, struct delivery *d, bool offers_packing)
{
	mono_us deadline = clock_mono_in_ms(BEGIN_MS);
	bool is_held = false;
	int rc;

	*d = (struct delivery){ 0 };
	for (size_t i = 0; i < N_SIZES; i++)
		d->delays_ms[i] = -2;
	listening_start(&d->listening, chain->fetcher, chain->events, chain->nonce,
	    &(struct fetch_how){ .offers_packing = offers_packing });
	while (!d->listening.has_begun && !d->listening.fetch->is_done && clock_mono_us() < deadline)
		fetcher_turn(chain->fetcher, deadline);
	rc = judge(chain, &d->listening);
	for (size_t i = 0; i < N_SIZES && rc == 0 && (offers_packing || !is_held); i++) {
		for (int try = 0; try < N_TRIES; try++) {
			int delay_ms;

			rc = time_message(chain, d, sizes[i], is_held ? HELD_AGAIN_MS : HELD_MS, &delay_ms);
			if (rc < 0)
				break;
			if (try == 0 || (delay_ms >= 0 && delay_ms < d->delays_ms[i]))
				d->delays_ms[i] = delay_ms;
			is_held = is_held || delay_ms == -1;
			if (delay_ms < 0 || !is_late(delay_ms))
				break;
		}
	}
	if (rc == 0)
		rc = judge(chain, &d->listening);
	return rc;
}

/* ---- findings ---- */

static bool
is_any_late(const struct delivery *d)
{
	for (size_t i = 0; i < N_SIZES; i++)
		if (is_late(d->delays_ms[i]))
			return true;
	return false;
}

static void
report_held(struct chain *chain, const struct delivery *d, const char *when)
{
	struct buf sizes_late = BUF_EMPTY;
	size_t prompt_from = 0;
	int worst_ms = 0;
	bool is_held = false;

	for (size_t i = 0; i < N_SIZES; i++) {
		if (is_late(d->delays_ms[i])) {
			buf_printf(&sizes_late, "%s%zu", sizes_late.len > 0 ? ", " : "", sizes[i]);
			is_held = is_held || d->delays_ms[i] == -1;
			if (d->delays_ms[i] > worst_ms)
				worst_ms = d->delays_ms[i];
			prompt_from = 0;
		} else if (prompt_from == 0 && d->delays_ms[i] >= 0) {
			prompt_from = sizes[i];
		}
	}
	buf_add_char(&sizes_late, '\0');
	if (is_held)
		report_fault(&chain->report, "events are held back%s: those of %s bytes had not come after %d s",
		    when, sizes_late.bytes, HELD_MS / 1000);
	else
		report_fault(&chain->report, "events come late%s: those of %s bytes after %d ms", when,
		    sizes_late.bytes, worst_ms);
	if (d->listening.fetch->head.status == 0)
		report_more("nothing has come, not even the head, of %zu bytes: the whole answer is collected",
		    d->sent);
	else if (is_held && d->has_come && d->sent_alone > 0)
		report_more("the first came when %zu bytes had been sent", d->sent_alone);
	else if (is_held)
		report_more("none has come, of %zu bytes", d->sent);
	if (prompt_from > 0)
		report_more("from %zu bytes on they come at once", prompt_from);
	buf_free(&sizes_late);
}

static void
report_prompt(struct chain *chain, const struct delivery *d)
{
	size_t last = 0;

	for (size_t i = 0; i < N_SIZES; i++)
		if (d->delays_ms[i] >= 0)
			last = i;
	report_good(&chain->report, "events come at once: %zu bytes %d ms, %zu bytes %d ms after they are stored",
	    sizes[0], d->delays_ms[0], sizes[last], d->delays_ms[last]);
}

/* report_head looks for what somebody on the way has changed about the stream's head. */
static void
report_head(struct chain *chain, const struct head *head)
{
	const char *cached = head->fields[HEAD_CACHE_CONTROL];
	bool is_clean = true;

	if (head->status == 0)
		return;
	if (!is_type(head, "text/event-stream")) {
		report_fault(&chain->report, "the stream comes as Content-Type: %s", head->fields[HEAD_CONTENT_TYPE]
		    != NULL ? head->fields[HEAD_CONTENT_TYPE] : "(none)");
		report_cure(&chain->report, CURE_CACHED);
		is_clean = false;
	}
	if (cached == NULL || strstr(cached, "no-cache") == NULL || strstr(cached, "no-transform") == NULL
	    || strstr(cached, "max-age") != NULL || strstr(cached, "public") != NULL) {
		report_fault(&chain->report, "Cache-Control is %s; rowcast says no-cache, no-transform",
		    cached != NULL ? cached : "gone");
		report_cure(&chain->report, CURE_CACHED);
		is_clean = false;
	}
	for (enum head_field i = 0; i < HEAD_N_FIELDS; i++) {
		static const char *const odd[HEAD_N_FIELDS] = {
			[HEAD_AGE] = "Age", [HEAD_CONTENT_LENGTH] = "Content-Length", [HEAD_ETAG] = "ETag",
			[HEAD_EXPIRES] = "Expires", [HEAD_X_CACHE] = "X-Cache",
		};

		if (odd[i] == NULL || head->fields[i] == NULL)
			continue;
		report_fault(&chain->report, "somebody on the way gives the stream %s: %s", odd[i], head->fields[i]);
		report_cure(&chain->report, CURE_CACHED);
		is_clean = false;
	}
	if (head->fields[HEAD_VIA] != NULL)
		report_note(&chain->report, "it comes by way of %s", head->fields[HEAD_VIA]);
	if (head->version == 10)
		report_note(&chain->report, "the answers are HTTP/1.0: one connection a request");
	if (is_clean)
		report_good(&chain->report, "the head of the stream is as rowcast sends it");
}

/* report_delivery: what has come of a stream that is not compressed. */
static void
report_delivery(struct chain *chain, const struct delivery *d)
{
	chain->is_held = is_any_late(d);
	if (chain->is_held) {
		report_held(chain, d, "");
		report_cure(&chain->report, CURE_HELD);
	} else {
		report_prompt(chain, d);
	}
	report_head(chain, &d->listening.fetch->head);
}

/* report_both: it is compressed, or nothing came where that was offered, not even a head;
 * and what came where it was not. */
static void
report_both(struct chain *chain, const struct delivery *offered, const struct delivery *plain,
    const char *packing)
{
	bool is_held_offered = is_any_late(offered), is_held_plain = is_any_late(plain);

	if (packing != NULL) {
		report_fault(&chain->report, "the stream is compressed (%s)%s", packing, is_held_plain ? ""
		    : is_held_offered ? ", and held back by that"
		    : "; events come all the same, at a cost for each stream");
		report_cure(&chain->report, CURE_PACKED);
	} else if (!is_held_plain) {
		report_held(chain, offered, " where the client takes compressed answers, as browsers do");
		report_cure(&chain->report, CURE_PACKED);
	}
	report_delivery(chain, is_held_plain ? offered : plain);
}

int
delivery_look(struct chain *chain)
{
	struct delivery offered, plain;
	const char *packing;
	int rc = run(chain, &offered, true);

	if (rc != 0) {
		listening_stop(&offered.listening);
		return rc;
	}
	packing = offered.listening.fetch->head.fields[HEAD_CONTENT_ENCODING];
	if (packing == NULL && (!is_any_late(&offered) || offered.listening.fetch->head.status != 0)) {
		report_delivery(chain, &offered);
		listening_stop(&offered.listening);
		return 0;
	}
	rc = run(chain, &plain, false);
	if (rc == 0)
		report_both(chain, &offered, &plain, packing);
	listening_stop(&offered.listening);
	listening_stop(&plain.listening);
	return rc;
}
