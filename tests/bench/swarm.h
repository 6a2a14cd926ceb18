/* The N event streams: opening, reading, cutting and reopening them.
 *
 * One thread, no allocation once they are made. A stream that ends or cannot be
 * opened is tried again while the swarm is being opened, and counted. */
#ifndef BENCH_SWARM_H
#define BENCH_SWARM_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/clock.h"
#include "tests/bench/http.h"
#include "tests/bench/loop.h"
#include "tests/bench/options.h"
#include "tests/bench/sse.h"

enum stream_state { STREAM_CLOSED, STREAM_CONNECTING, STREAM_ASKING, STREAM_OPEN };

struct swarm;

struct stream {
	struct watch watch;    /* first: see loop.h */
	struct swarm *swarm;
	uint32_t index;        /* the user it belongs to */
	enum stream_state state;
	uint32_t newest;       /* highest number of a message it got; with answers: the next it is to get */
	uint64_t *seen;        /* a bit for each of the last swarm->window numbers */
	uint32_t n_messages;   /* received for the first time */
	bool is_over;          /* its answer has ended */
	int64_t last_id;       /* of the last event with a numeric id; -1: none yet */
	struct http http;
	struct sse sse;
};

/* swarm_take gets each message that a stream receives for the first time. */
typedef void swarm_take(void *arg, struct stream *stream, uint32_t number, mono_us sent, mono_us now);

struct swarm {
	const struct options *options;
	swarm_take *take;
	void *take_arg;
	struct stream *streams;   /* owned; options->n_streams of them */
	uint64_t *seen;           /* owned; the bits of all streams */
	uint32_t window;          /* numbers a stream remembers; a power of two */
	uint32_t n_open, n_opening;
	uint32_t next;            /* index of the next one to open */
	uint32_t tries_left;      /* how many more may fail before the program gives up */
	mono_us read_at;          /* when the bytes being read were received */
	bool resumes;             /* sends Last-Event-ID with each stream's last id */
	/* what went wrong, or otherwise than hoped */
	uint64_t duplicates, out_of_order, misdelivered, ended, retried, told;
	uint64_t bytes;           /* received by all streams */
};

/* swarm_init makes the streams, all closed. window: see flights_init. */
void swarm_init(struct swarm *s, const struct options *o, uint32_t window, swarm_take *take, void *arg);
void swarm_free(struct swarm *s);

/* swarm_take_by has another function get the messages. */
void swarm_take_by(struct swarm *s, swarm_take *take);

/* swarm_open_all opens every stream, at most options->opening at a time, and
 * returns the microseconds it took until the last had its response head; it
 * ends the program when that takes longer than max_s seconds. */
mono_us swarm_open_all(struct swarm *s, double max_s);

/* swarm_open_begin and swarm_open_more do the same a step at a time: begin
 * starts, more goes on after a turn of the loop and says whether it is done. */
void swarm_open_begin(struct swarm *s);
bool swarm_open_more(struct swarm *s);

/* swarm_rewind makes all streams, which are closed, resume after id, as if they
 * had seen nothing that is newer. */
void swarm_rewind(struct swarm *s, int64_t id);

/* swarm_cut closes all streams at once; what they have seen stays. */
void swarm_cut(struct swarm *s);

#endif
