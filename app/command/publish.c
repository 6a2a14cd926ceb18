/* rowcast publish: inserts rows into the table, as any other program may. A rowcast
 * that is running sends them; one that is started later replays them. One thread, with
 * the outlet that it opens.
 *
 * `make 2>&1 | rowcast publish` must not be what fails a build. So a line that is no
 * message is repaired or skipped, with a warning that names it, and stdin is read to
 * its end whatever happens: who writes there is never ended by SIGPIPE. The exit
 * status says that something was wrong. Lines that come together are committed
 * together; a line that is skipped is never held, however long it is. */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/command/command.h"
#include "app/command/outlet.h"
#include "app/command/manual.h"
#include "app/command/relay.h"
#include "app/publish/field.h"
#include "app/store/store.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/lines.h"
#include "lib/mem.h"
#include "lib/utf8.h"

struct arguments {
	struct command_conf conf;
	struct command_list user, topic, event, key, ttl;  /* of each one; the rules of /msg say so */
	bool all, sse;
	const char *data;
};

static const struct manual_option options[] = {
	{ "user", "U", "who may read it", offsetof(struct arguments, user), true },
	{ "topic", "T", "only streams that asked for this topic; with --user those of this user, else"
	    " everyone's", offsetof(struct arguments, topic), true },
	{ "all", NULL, "to everyone", offsetof(struct arguments, all), false },
	{ "event", "E", "the event's name in the browser; without it `message`",
	    offsetof(struct arguments, event), true },
	{ "key", "K", "stores it once: where `rowcast publish` has stored a message with that key,"
	    " its id is printed and nothing is stored. For one message, DATA or a single line",
	    offsetof(struct arguments, key), true },
	{ "ttl", "T", "how long it may be sent, such as 30s, 10m or 1h", offsetof(struct arguments, ttl),
	    true },
	{ "sse", NULL, "stdin is an event stream: each event is stored as it comes, and the topic ends"
	    " with it", offsetof(struct arguments, sse), false },
	{ 0 },
};

enum {
	READ_BYTES = 64 << 10,
	WARNINGS_MAX = 20,  /* then only a count at the end; picked, not tuned */
};

/* A message that waits for the commit. */
struct waiting {
	size_t line;    /* of stdin, from 1; 0: the argument DATA */
	size_t at, len; /* of its data in the publisher's text */
	struct message message;
};

struct publisher {
	struct outlet outlet;
	struct draft like;  /* what all messages have: its expiry is that of one published at 0 */
	struct field_reader options;
	char error[FIELD_ERROR_BYTES];
	size_t max_message_bytes;
	struct waiting *waiting;  /* owned: n_waiting of them */
	size_t n_waiting, capacity;
	struct buf text;          /* owned: their data, each with a NUL behind it */
	size_t n_repaired, n_skipped;
	bool at_end;              /* of stdin, or it cannot be read */
	bool is_muted;            /* nobody takes the ids any more */
	bool failed;
};

/* take_option sets, from the value of an option, what all messages have, by the rules of
 * /msg. */
static int
take_option(struct publisher *p, const char *field, const struct command_list *given)
{
	int rc = 0;

	for (size_t i = 0; i < given->n && rc == 0; i++) {
		const struct field_value value = { .kind = FIELD_TEXT, .text = given->values[i],
		    .len = strlen(given->values[i]) };

		rc = field_read(&p->options, &p->like, field, &value);
	}
	if (rc == 0)
		return 0;
	log_errorx("publish: %s", p->error);
	return -1;
}

/* take_options goes through all of them, so that one run tells all there is to correct. */
static int
take_options(struct publisher *p, const struct arguments *given)
{
	int rc = take_option(p, "user", &given->user) | take_option(p, "topic", &given->topic)
	    | take_option(p, "event", &given->event) | take_option(p, "key", &given->key)
	    | take_option(p, "ttl", &given->ttl);

	if (given->user.n == 0 && given->topic.n == 0 && !given->all) {
		log_errorx("publish: to whom? Give --user U, --topic T, both, or --all for everyone");
		return -1;
	}
	if (rc == 0 && field_check_end(&p->options, &p->like.message) != 0) {
		log_errorx("publish: %s", p->error);
		return -1;
	}
	return rc;
}

/* ---- messages ---- */

/* warn names the line and says what became of it, while there are few of them. */
static void
warn(struct publisher *p, size_t line, const char *what)
{
	p->failed = true;
	if (p->n_repaired + p->n_skipped > WARNINGS_MAX)
		return;
	if (line > 0)
		log_warnx("publish: line %zu %s", line, what);
	else
		log_warnx("publish: DATA %s", what);
}

static void
skip(struct publisher *p, size_t line, const char *why)
{
	p->n_skipped++;
	warn(p, line, why);
}

/* warn_of_the_others ends what warn has begun. */
static void
warn_of_the_others(const struct publisher *p)
{
	if (p->n_repaired + p->n_skipped > WARNINGS_MAX)
		log_warnx("publish: and so on: in all %zu lines were skipped, %zu repaired",
		    p->n_skipped, p->n_repaired);
}

/* take_line is a lines_fn: it lets the line wait, if it is a message. */
static void
take_line(void *context, size_t line, const char *text, size_t len)
{
	struct publisher *p = context;
	size_t at = p->text.len;

	if (text != NULL && memchr(text, '\0', len) != NULL) {
		skip(p, line, "contains U+0000: it is skipped");
		return;
	}
	if (text != NULL)
		utf8_add_repaired(&p->text, text, len);
	if (text == NULL || p->text.len - at > p->max_message_bytes) {
		p->text.len = at;
		skip(p, line, "is larger than max_message: it is skipped");
		return;
	}
	if (p->text.len - at != len
	    || (len > 0 && memcmp(p->text.bytes + at, text, len) != 0)) {
		p->n_repaired++;
		warn(p, line, "is not UTF-8: what is not is stored as U+FFFD");
	}
	if (p->n_waiting == p->capacity) {
		p->capacity = p->capacity > 0 ? 2 * p->capacity : 64;
		p->waiting = mem_realloc(p->waiting, p->capacity * sizeof(*p->waiting));
	}
	p->waiting[p->n_waiting++] = (struct waiting){
		.line = line, .at = at, .len = p->text.len - at, .message = p->like.message,
	};
	buf_add_char(&p->text, '\0');
}

static void
print_id(struct publisher *p, const struct waiting *waiting)
{
	if (!p->is_muted)
		printf("%" PRId64 "\n", waiting->message.id);
}

/* append commits what waits, each message for itself, in one transaction, or a log in
 * groups that it can take at once, and prints the ids. -1: logged; nothing of which no id
 * is printed is stored, as far as is known. */
static int
append(struct publisher *p)
{
	struct append *appends = mem_alloc((p->n_waiting + 1) * sizeof(*appends));
	struct append **each = mem_alloc((p->n_waiting + 1) * sizeof(*each));
	wall_s now = clock_wall_s();
	size_t n_stored = 0;
	int rc = 0;

	for (size_t i = 0; i < p->n_waiting; i++) {
		struct waiting *waiting = &p->waiting[i];

		waiting->message.data = p->text.bytes + waiting->at;
		waiting->message.data_len = waiting->len;
		if (waiting->message.expiry.ends)
			waiting->message.expiry.at += now;
		appends[i] = (struct append){ .messages = &waiting->message, .n = 1,
			.publisher = "" };
		each[i] = &appends[i];
	}
	while (rc == 0 && n_stored < p->n_waiting) {
		size_t first = n_stored, left = p->n_waiting - first;
		size_t n = outlet_group(&p->outlet, left);

		rc = outlet_commit(&p->outlet, each + first, n);
		for (size_t i = first; i < first + n && rc == 0; i++) {
			if (appends[i].refused)
				skip(p, p->waiting[i].line, appends[i].ended
				    ? "is refused: the topic has ended" : "is refused by the table: it is skipped");
			else
				print_id(p, &p->waiting[i]);
		}
		if (rc == 0)
			n_stored += n;
	}
	if (rc != 0 && p->waiting[n_stored].line > 0)
		log_errorx("publish: from line %zu on %s", p->waiting[n_stored].line,
		    rc < 0 ? "nothing is stored" : "it is not known what is stored");
	if (!p->is_muted && command_flush() < 0)
		p->is_muted = p->failed = true;
	p->n_waiting = p->text.len = 0;
	free(each);
	free(appends);
	return rc == 0 ? 0 : -1;
}

/* ---- where they come from ---- */

static int
publish_one(struct publisher *p, const char *data)
{
	take_line(p, 0, data, strlen(data));
	return append(p);
}

/* read_stdin returns how many bytes it has read, 0 at the end or where there is
 * nothing more to be had (logged). */
static size_t
read_stdin(struct publisher *p, char *bytes)
{
	ssize_t n;

	do
		n = read(STDIN_FILENO, bytes, READ_BYTES);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		log_error("publish: stdin");
		p->failed = true;
	}
	p->at_end = n <= 0;
	return n > 0 ? (size_t)n : 0;
}

/* publish_stdin publishes lines as they come, those that come together in one
 * transaction. With a key there is to be one line alone, or of all that are meant only
 * the first would be stored: so it waits for the end, and then publishes it, or nothing. */
static int
publish_stdin(struct publisher *p)
{
	struct lines lines = {
		.max_bytes = p->max_message_bytes, .take = take_line, .context = p,
	};
	bool is_keyed = p->like.message.key != NULL;
	char *bytes = mem_alloc(READ_BYTES);
	int rc = 0;

	while (rc == 0 && !p->at_end) {
		lines_add(&lines, bytes, read_stdin(p, bytes));
		if (p->at_end)
			lines_end(&lines);
		if (is_keyed && p->n_waiting + p->n_skipped > 1) {
			log_errorx("publish: --key is of one message, and stdin has more lines: nothing is"
			    " stored: publish each with a key of its own");
			rc = -1;
		} else if (!is_keyed || p->at_end) {
			rc = append(p);
		}
	}
	buf_free(&lines.begun);
	free(bytes);
	return rc;
}

/* throw_away reads what is left of stdin, so that its writer can go on. A person at a
 * terminal sees what is wrong, and need not. */
static void
throw_away(struct publisher *p)
{
	char *bytes = mem_alloc(READ_BYTES);

	while (!p->at_end && !isatty(STDIN_FILENO))
		read_stdin(p, bytes);
	free(bytes);
}

/* copy_stream copies stdin as an event stream. -1: logged. */
static int
copy_stream(struct publisher *p, const struct arguments *given, const struct conf *conf)
{
	if (take_options(p, given) != 0)
		return -1;
	p->like.message.event = mem_strdup(MESSAGE_EVENT_END);
	if (field_check_end(&p->options, &p->like.message) == 0)
		return relay_run(conf, p->like.message.topic);
	log_errorx("publish: %s", p->error);
	return -1;
}

/* publish publishes data, or where that is NULL the lines of stdin. -1: logged. */
static int
publish(struct publisher *p, const struct arguments *given)
{
	struct conf conf;
	int rc = given->sse ? 0 : take_options(p, given);

	if (command_conf_load(&given->conf, &conf) < 0)
		return -1;
	p->max_message_bytes = conf.max_message_bytes;
	if (given->sse) {
		rc = copy_stream(p, given, &conf);
	} else if (rc == 0) {
		rc = outlet_open(&p->outlet, "publish", &conf);
		if (rc == 0)
			rc = given->data != NULL ? publish_one(p, given->data) : publish_stdin(p);
		warn_of_the_others(p);
		outlet_close(&p->outlet);
	}
	conf_free(&conf);
	return rc;
}

static int
run(int argc, char *argv[])
{
	struct arguments arguments = { 0 };
	struct publisher p = { .options = { .error = p.error } };
	int status, rc;

	if (!manual_read(&manual_publish, argc, argv, &arguments, &status))
		return status;
	if (arguments.all && (arguments.user.n > 0 || arguments.topic.n > 0)) {
		manual_free(&manual_publish, &arguments);
		return manual_misused(&manual_publish, "--all is everyone, without --user and --topic");
	}
	if (arguments.sse && (arguments.topic.n == 0 || arguments.user.n > 0 || arguments.all
	    || arguments.event.n > 0 || arguments.key.n > 0 || arguments.ttl.n > 0
	    || arguments.data != NULL)) {
		manual_free(&manual_publish, &arguments);
		return manual_misused(&manual_publish, "--sse needs --topic, and takes nothing else");
	}
	signal(SIGPIPE, SIG_IGN);  /* nobody may want the ids: the rest is published all the same */
	rc = publish(&p, &arguments);
	if (arguments.data == NULL && !arguments.sse)
		throw_away(&p);
	message_free(&p.like.message);
	free(p.waiting);
	buf_free(&p.text);
	manual_free(&manual_publish, &arguments);
	return rc == 0 && !p.failed ? 0 : 1;
}

const struct manual manual_publish = {
	.name = "publish",
	.run = run,
	.summary = "stores DATA, or each line of stdin, and prints the ids",
	.synopsis = "[--user U] [--topic T] [--all] [--event E] [--key K] [--ttl T] [DATA]\n"
	    "--sse --topic T",
	.description = "Stores a message, or without DATA each line of stdin as one, and prints the id of"
	    " each. Whom it is for has to be said: --user, --topic, both, or --all. A line that is no"
	    " message (not UTF-8, too long) is named, and repaired or skipped; the others are stored, and"
	    " stdin is read to its end. No rowcast has to be running; where several machines share a log,"
	    " that is published to. With --sse stdin is an event stream: data and name of each event are"
	    " stored as they come, and the topic ends at [DONE] or rowcast.end, or as aborted where the"
	    " stream breaks off before.",
	.options = options,
	.operand = { "DATA", "DATA", "the message; without it each line of stdin is one",
	    offsetof(struct arguments, data), false },
	.exits = (const struct manual_exit[]){
		{ 0, "all of it is stored, or was by its key" },
		{ 1, "something was not, or was repaired, or a stream broke off; what it was stands on stderr" },
		{ 2, "it was wrongly used, and nothing is stored" },
		{ 0 },
	},
	.examples = (const struct manual_example[]){
		{ "rowcast publish --user 42 --event order --key order-9 '{\"id\":9}'",
		    "to user 42, once, however often it is run" },
		{ "make 2>&1 | rowcast publish --topic build", "each line, to whoever has asked for the topic" },
		{ "curl -N http://127.0.0.1:8000/answer | rowcast publish --sse --topic run:7",
		    "an answer, durable from its first token on; who comes late gets all of it" },
		{ 0 },
	},
};
