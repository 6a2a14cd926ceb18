/* A log that several machines share as the writer's sink. There a group may take long,
 * while the log is away or nobody knows whether it has the group: until its deadline at
 * most. Retention is the log's own. Last wills are kept in this machine's copy: the writer's
 * thread alone uses that handle. */

#include <stdlib.h>
#include <string.h>

#include "app/publish/sink.h"
#include "app/upstream/upstream.h"
#include "lib/mem.h"

struct sink_log {
	struct sink sink;
	struct upstream *log;
	struct store *copy;          /* or NULL */
	sink_seen *seen;
	void *context;
};

static struct sink_log *
log_of(struct sink *sink)
{
	return CONTAINER_OF(sink, struct sink_log, sink);
}

/* change_wills does in the copy what the appends of that kind say of wills. 0; else they
 * are not there, and logged. */
static int
change_wills(struct sink_log *log, struct append *const appends[], size_t n,
    enum store_will_change change)
{
	struct append *changes[SINK_GROUP];
	size_t n_changes = 0;

	for (size_t i = 0; i < n; i++)
		if (appends[i]->will_change == change
		    && (change == STORE_WILL_WRITE || appends[i]->stored))
			changes[n_changes++] = appends[i];
	return n_changes > 0 ? store_write_wills(log->copy, changes, n_changes) : 0;
}

/* take_out moves those that write a will out of the group, and returns how many are left:
 * what has no will here must not be in the log. They are neither stored nor refused. */
static size_t
take_out(struct append *appends[], size_t n)
{
	size_t n_left = 0;

	for (size_t i = 0; i < n; i++) {
		struct append *append = appends[i];

		if (append->will_change == STORE_WILL_WRITE)
			append->existed = append->refused = append->ended = append->stored = false;
		else
			appends[n_left++] = append;
	}
	return n_left;
}

/* A will is written before the messages are in the log, and revoked after they are: what may
 * go wrong in between leaves an end that comes too often, and the log takes only one. */
static int
log_append(struct sink *sink, struct append *appends[], size_t n, mono_us deadline)
{
	struct sink_log *log = log_of(sink);
	struct append *group[SINK_GROUP];
	int outcome;

	/* The log may be there again, but who asks now has given up or is about to. */
	if (clock_mono_us() >= deadline)
		return UPSTREAM_AWAY;
	memcpy(group, appends, n * sizeof(group[0]));
	if (change_wills(log, group, n, STORE_WILL_WRITE) != 0)
		n = take_out(group, n);
	outcome = upstream_append(log->log, group, n, log->seen(log->context),
	    atomic_load(&sink->keep_for_s), deadline);
	change_wills(log, group, n, STORE_WILL_REVOKE);
	return outcome;
}

static const char *
log_sentence(int outcome)
{
	return outcome == UPSTREAM_UNKNOWN
	    ? "it is not known whether the message was stored: send it again with the same key"
	    : outcome == UPSTREAM_FULL
	    ? "nothing was stored: there is no room left in the log that the machines share"
	    : outcome == UPSTREAM_REFUSED
	    ? "nothing was stored: the log that the machines share does not take it; see rowcast's"
	    " own log"
	    : outcome == 0  /* the copy has not taken its will */
	    ? "nothing was stored: the store cannot be written; see the log"
	    : "nothing was stored: the log that the machines share cannot be reached; try again";
}

static enum failure
log_failure(int outcome)
{
	return outcome == UPSTREAM_FULL ? FAILURE_FULL
	    : outcome == UPSTREAM_REFUSED ? FAILURE_REFUSED : FAILURE_ERROR;
}

static bool
log_is_for_all(int outcome __attribute__((unused)))
{
	return false;
}

static void
log_tend(struct sink *sink __attribute__((unused)))
{
}

static mono_us
log_next(struct sink *sink __attribute__((unused)))
{
	return clock_mono_in_ms(SINK_PROBE_MS);
}

static void
log_close(struct sink *sink)
{
	struct sink_log *log = log_of(sink);

	upstream_close(log->log);
	store_close(log->copy);
	free(log);
}

struct sink *
sink_log(struct upstream *upstream, struct store *copy, sink_seen *seen, void *context)
{
	static const struct sink_kind kind = {
		log_append, log_sentence, log_failure, log_is_for_all, log_tend, log_next, log_close,
	};
	struct sink_log *log = mem_zalloc(sizeof(*log));

	log->sink.kind = &kind;
	log->log = upstream;
	log->copy = copy;
	log->seen = seen;
	log->context = context;
	return &log->sink;
}
