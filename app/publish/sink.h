/* Where the writer commits to: the store, or a log that several machines share. The
 * writer's thread alone calls; what other threads may call says so.
 *
 * A kind of sink embeds a struct sink as its first member and is one file, sink_table.c or
 * sink_log.c; what is the same for both is in sink.c. */
#ifndef APP_PUBLISH_SINK_H
#define APP_PUBLISH_SINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/setting/conf.h"
#include "app/store/failure.h"
#include "app/store/store.h"
#include "lib/clock.h"

struct upstream;

enum {
	SINK_GROUP = 4096,     /* appends of one call, at most */
	SINK_PROBE_MS = 1000,  /* after a commit that failed, between tries whether one would work */
};

struct sink;

/* What a kind does; see the function of the same name. */
struct sink_kind {
	int (*append)(struct sink *sink, struct append *appends[], size_t n, mono_us deadline);
	const char *(*sentence)(int outcome);
	enum failure (*failure)(int outcome);
	bool (*is_for_all)(int outcome);
	void (*tend)(struct sink *sink);
	mono_us (*next)(struct sink *sink);
	void (*close)(struct sink *sink);
};

struct sink {
	const struct sink_kind *kind;
	_Atomic int64_t keep_for_s, keep_rows;  /* the retention in force */
	_Atomic uint64_t n_trimmed;             /* messages that it has deleted */
	_Atomic bool failing;                   /* see writer_counters */
};

/* sink_table takes the store. */
struct sink *sink_table(struct store *store);

/* The highest id that this machine knows to have been given: the log gives higher ones. */
typedef int64_t sink_seen(void *context);

/* sink_log takes the log and the copy, in which it keeps last wills (NULL: none are
 * written); context is lent. */
struct sink *sink_log(struct upstream *log, struct store *copy, sink_seen *seen, void *context);

/* sink_append commits the appends, SINK_GROUP at most, and sets what became of each. 0, or
 * an outcome of the kind's own for which the next three are asked: then whatever is neither
 * stored nor refused failed, or it is not known. The table does not mind the deadline; a log
 * is tried until then, and not at all where it is over. */
int sink_append(struct sink *sink, struct append *appends[], size_t n, mono_us deadline);

/* sink_sentence returns what is to be answered, a constant. */
const char *sink_sentence(const struct sink *sink, int outcome);
enum failure sink_failure(const struct sink *sink, int outcome);

/* sink_is_for_all: are those behind in the queue to get the same answer? */
bool sink_is_for_all(const struct sink *sink, int outcome);

/* sink_tend does what there is to do besides: after each round, and when sink_next says. */
void sink_tend(struct sink *sink);
mono_us sink_next(struct sink *sink);

/* sink_reload takes over the retention from conf. Any thread. */
void sink_reload(struct sink *sink, const struct conf *conf);

/* sink_close closes and frees all that the sink has taken. */
void sink_close(struct sink *sink);

#endif
