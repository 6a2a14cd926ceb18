/* rowcast publish --sse: somebody else's event stream becomes rows of a topic. Events that
 * come in one read are committed together, all of them or, where one is refused, those
 * before it. One thread, which waits for stdin and for signals; SIGTERM, SIGINT and SIGHUP
 * are read from a descriptor, so none comes in the middle of a commit.
 *
 * Readers of the topic wait for its end, so there is one whatever happens: by the stream's
 * own ([DONE], or rowcast.end), else as aborted; by an heir where we are killed. What
 * nobody can do is to end it where the store takes no row: that is said. */

#include "app/command/relay.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "app/command/command.h"
#include "app/command/heir.h"
#include "app/command/outlet.h"
#include "app/publish/field.h"
#include "app/store/store.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/eventstream.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/utf8.h"

enum {
	READ_BYTES = 64 << 10,
	LINGER_MS = 1000,  /* that the writer has to close what it has ended; picked, not tuned */
};

#define SENTINEL "[DONE]"  /* what ends the streams of the APIs that have no event for it */

struct relay {
	const struct conf *conf;
	const char *topic;
	struct outlet outlet;
	struct eventstream stream;
	struct message *waiting;  /* owned: n_waiting events that are to be committed */
	size_t n_waiting, capacity;
	size_t n_stored;          /* events, and so the number of the last one */
	bool has_end;             /* the last of them ends the topic */
	bool is_over;             /* nothing more is taken from the stream */
	bool is_ended;            /* the topic is */
	bool is_muted;            /* nobody takes the ids any more */
	bool failed;              /* why was logged */
};

/* ---- ending ---- */

/* end_as_aborted says what has become of the topic. */
static void
end_as_aborted(const char *topic, struct outlet *outlet)
{
	char data[] = "{\"reason\":\"aborted\"}", event[] = MESSAGE_EVENT_END;
	char *own = mem_strdup(topic);
	struct message end = { .topic = own, .event = event, .data = data,
		.data_len = sizeof(data) - 1 };
	struct append append = { .messages = &end, .n = 1, .publisher = "" }, *appends = &append;
	int rc = outlet_commit(outlet, &appends, 1);

	if (rc == 0 && append.ended)
		log_errorx("publish: somebody else had ended the topic");
	else if (rc != 0 || append.refused)
		log_errorx("publish: the topic could not be ended: its readers wait");
	else
		log_errorx("publish: the topic is ended as aborted");
	free(own);
}

/* end_for_the_killed is the heir's deed. Where the topic has ended, the parent was killed
 * behind its last commit. */
static void
end_for_the_killed(void *context)
{
	struct relay *relay = context;
	struct outlet outlet;

	log_errorx("publish: it was killed");
	if (outlet_open(&outlet, "publish", relay->conf) == 0)
		end_as_aborted(relay->topic, &outlet);
	outlet_close(&outlet);
}

/* ---- events ---- */

/* stop is called where that was logged which ends the copying before its end. */
static void
stop(struct relay *relay)
{
	relay->is_over = relay->failed = true;
	relay->has_end = false;
}

/* Each returns true where a rule of /msg refuses it. What is not UTF-8 is read as a browser
 * reads it. */

static bool
read_field(struct field_reader *reader, struct draft *draft, const char *name, const char *text,
    size_t len)
{
	struct buf repaired = BUF_EMPTY;
	struct field_value value = { .kind = FIELD_TEXT };
	bool is_refused;

	utf8_add_repaired(&repaired, text, len);
	value.len = repaired.len;
	buf_add_char(&repaired, '\0');
	value.text = repaired.bytes;
	is_refused = field_read(reader, draft, name, &value) != 0;
	buf_free(&repaired);
	return is_refused;
}

static bool
read_event(struct field_reader *reader, struct draft *draft, const struct eventstream_event *event)
{
	static const char done[] = "{\"reason\":\"done\"}";

	if (event->data_len == strlen(SENTINEL) && memcmp(event->data, SENTINEL, event->data_len) == 0)
		return read_field(reader, draft, "event", MESSAGE_EVENT_END, strlen(MESSAGE_EVENT_END))
		    || read_field(reader, draft, "data", done, sizeof(done) - 1);
	/* By the standard an event without a name is called so. */
	if ((event->name_len != strlen("message") || strcmp(event->name, "message") != 0)
	    && read_field(reader, draft, "event", event->name, event->name_len))
		return true;
	return read_field(reader, draft, "data", event->data, event->data_len);
}

/* take_event is an eventstream_fn: it lets the event wait, if it is a message. */
static void
take_event(void *context, const struct eventstream_event *event)
{
	struct relay *relay = context;
	char error[FIELD_ERROR_BYTES];
	struct field_reader reader = { .error = error,
		.max_message_bytes = relay->conf->max_message_bytes };
	struct draft draft = { 0 };
	struct message *m = &draft.message;

	if (relay->is_over)
		return;
	if (event->data == NULL) {
		log_errorx("publish: event %zu is larger than max_message", event->number);
		stop(relay);
	} else if (read_event(&reader, &draft, event)) {
		log_errorx("publish: event %zu is no message: %s", event->number, error);
		stop(relay);
	} else {
		m->topic = mem_strdup(relay->topic);
		relay->has_end = relay->is_over = message_is_end(m);
		if (relay->n_waiting == relay->capacity) {
			relay->capacity = relay->capacity > 0 ? 2 * relay->capacity : 64;
			relay->waiting = mem_realloc(relay->waiting,
			    relay->capacity * sizeof(*relay->waiting));
		}
		relay->waiting[relay->n_waiting++] = *m;
		return;
	}
	message_free(m);
}

/* ---- committing ---- */

/* commit_some commits n of those that wait, from `first` on, all or none. 0 done, 1 refused,
 * -1 failed (logged); it stops at what is for good. */
static int
commit_some(struct relay *relay, size_t first, size_t n)
{
	struct append append = { .messages = relay->waiting + first, .n = n, .publisher = "" };
	struct append *appends = &append;
	int rc = outlet_commit(&relay->outlet, &appends, 1);

	if (rc != 0) {
		log_errorx("publish: from event %zu on %s", relay->n_stored + 1,
		    rc < 0 ? "nothing is stored" : "it is not known what is stored");
		stop(relay);
		return -1;
	}
	if (append.refused && n == 1) {
		log_errorx(append.ended ? "publish: event %zu is refused: the topic has ended"
		    : "publish: event %zu is refused by the table", relay->n_stored + 1);
		relay->is_ended = append.ended;
		stop(relay);
	}
	if (append.refused)
		return 1;
	relay->n_stored += n;
	for (size_t i = first; i < first + n && !relay->is_muted; i++)
		printf("%" PRId64 "\n", relay->waiting[i].id);
	return 0;
}

static int
commit_each(struct relay *relay, size_t first, size_t n)
{
	int rc = 0;

	for (size_t i = first; i < first + n && rc == 0; i++)
		rc = commit_some(relay, i, 1);
	return rc;
}

/* commit commits what waits; of a group that is refused those that stand before the one
 * which is. */
static void
commit(struct relay *relay)
{
	size_t first = 0;
	int rc = 0;

	while (rc == 0 && first < relay->n_waiting) {
		size_t n = outlet_group(&relay->outlet, relay->n_waiting - first);

		rc = commit_some(relay, first, n);
		if (rc == 1 && n > 1)
			rc = commit_each(relay, first, n);
		first += n;
	}
	relay->is_ended |= rc == 0 && relay->has_end;
	if (!relay->is_muted && command_flush() < 0)
		relay->is_muted = relay->failed = true;
	for (size_t i = 0; i < relay->n_waiting; i++)
		message_free(&relay->waiting[i]);
	relay->n_waiting = 0;
}

/* ---- where they come from ---- */

/* open_signals gives those that would end us to a descriptor; what is ignored, by nohup or
 * for a job in the background, stays so. -1: logged. */
static int
open_signals(void)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		struct sigaction is;

		if (sigaction(numbers[i], NULL, &is) == 0 && is.sa_handler != SIG_IGN)
			sigaddset(&set, numbers[i]);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		log_error("publish: signalfd");
	return fd;
}

/* read_stdin returns how many bytes it has read, or 0, and stops at the end. */
static size_t
read_stdin(struct relay *relay, char *bytes)
{
	ssize_t n = read(STDIN_FILENO, bytes, READ_BYTES);

	if (n > 0)
		return (size_t)n;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n == 0)
		log_errorx("publish: stdin ended before " SENTINEL " or " MESSAGE_EVENT_END);
	else
		log_error("publish: stdin");
	stop(relay);
	return 0;
}

/* copy goes on until the stream, or a signal, says that it is over. */
static void
copy(struct relay *relay, int signals)
{
	char *bytes = mem_alloc(READ_BYTES);

	while (!relay->is_over) {
		struct pollfd fds[] = { { .fd = signals, .events = POLLIN },
			{ .fd = STDIN_FILENO, .events = POLLIN } };
		struct signalfd_siginfo got;

		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents != 0 && read(signals, &got, sizeof(got)) == sizeof(got)) {
			log_errorx("publish: a signal came: %s", strsignal((int)got.ssi_signo));
			stop(relay);
		} else if (fds[1].revents != 0) {
			eventstream_add(&relay->stream, bytes, read_stdin(relay, bytes));
			commit(relay);
		}
	}
	free(bytes);
}

/* linger reads what is left for a moment, so that who has written an end and closes next
 * is not ended by SIGPIPE; who goes on writing is. */
static void
linger(int signals)
{
	char *bytes = mem_alloc(READ_BYTES);
	mono_us until = clock_mono_in_ms(LINGER_MS), now;

	while ((now = clock_mono_us()) < until) {
		struct pollfd fds[] = { { .fd = signals, .events = POLLIN },
			{ .fd = STDIN_FILENO, .events = POLLIN } };

		if (poll(fds, 2, (int)((until - now + 999) / 1000)) > 0
		    && (fds[0].revents != 0 || read(STDIN_FILENO, bytes, READ_BYTES) <= 0))
			break;
	}
	free(bytes);
}

static int
run_with_outlet(struct relay *relay)
{
	int signals = open_signals();

	if (signals < 0)
		return -1;
	copy(relay, signals);
	if (!relay->is_ended)
		end_as_aborted(relay->topic, &relay->outlet);
	else if (!relay->failed)
		linger(signals);
	close(signals);
	return relay->failed ? -1 : 0;
}

int
relay_run(const struct conf *conf, const char *topic)
{
	struct relay relay = { .conf = conf, .topic = topic,
		.stream = { .max_bytes = conf->max_message_bytes, .take = take_event } };
	struct heir heir;
	int rc;

	relay.stream.context = &relay;
	if (heir_start(&heir, "publish", end_for_the_killed, &relay) != 0)
		return -1;
	rc = outlet_open(&relay.outlet, "publish", conf);
	if (rc == 0)
		rc = run_with_outlet(&relay);
	heir_dismiss(&heir);
	outlet_close(&relay.outlet);
	eventstream_free(&relay.stream);
	free(relay.waiting);
	return rc;
}
