/* The connection to the primary, found anew whenever it is lost or in doubt. Each try
 * goes all the way: where is it, connect, AUTH, SELECT, and ROLE, which has to say
 * master. What may pass by itself is tried again until the deadline; what somebody has
 * to put right (a password, a permission, a replica that is named as the primary) is
 * refused at once, and not tried more than once a second.
 *
 * A primary that has hung, and wakes when another one has taken its place, still
 * answers: so a Sentinel is asked again once a second. What is written to it until then
 * no replica has, and so no call here says that it is stored.
 *
 * What is logged is counted for the whole process: all handles see the same Redis. */

#include "app/upstream/redis/redis.h"

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/upstream/redis/error.h"
#include "app/upstream/redis/link.h"
#include "app/upstream/redis/primary.h"
#include "app/upstream/upstream.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/random.h"

#define SECOND_US INT64_C(1000000)
#define MINUTE_US (60 * SECOND_US)
#define TRY_US SECOND_US         /* one try; two of them fit into UPSTREAM_WAIT_MS */
#define ASK_AGAIN_US SECOND_US   /* between two questions to a Sentinel while all is well */
#define ASK_LATER_US (5 * SECOND_US)  /* where none has answered */
#define ASK_US (SECOND_US / 4)   /* what such a question may take from who waits */

/* Between two tries, so that not all machines come at once; picked, not tuned. */
enum { AGAIN_MIN_MS = 50, AGAIN_MAX_MS = 150 };

enum { WHY_BYTES = 512 };

struct redis {
	struct setting_upstream where;  /* a copy */
	struct primary *primary;        /* NULL: no Sentinels are named */
	struct link *link;              /* NULL: not connected */
	char *place;                    /* of it, or of the last: "host:port" or a path, for the log */
	int wake_fd;                    /* readable from the interruption on */
	atomic_bool is_interrupted;
	uint64_t n_connects;
	mono_us ask_at;                 /* when a Sentinel is to be asked */
	mono_us refused_at;             /* 0: it was not refused */
	bool is_unwilling;              /* it answered that it leads nowhere now */
	char why[WHY_BYTES];
};

/* ---- the log ---- */

static struct {
	pthread_mutex_t lock;
	bool is_away;       /* and it is said */
	mono_us away_at;    /* when that was said last; 0: never */
	mono_us errors_at;  /* that it does not do what it is asked; 0: never */
} told = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool
is_due(mono_us *last)
{
	mono_us now = clock_mono_us();

	if (*last != 0 && now - *last < MINUTE_US)
		return false;
	*last = now;
	return true;
}

/* tell_away: one that comes and goes is said to be away once a minute, and back as often. */
static void
tell_away(const struct redis *redis)
{
	pthread_mutex_lock(&told.lock);
	if (is_due(&told.away_at)) {
		told.is_away = true;
		log_warnx("upstream: %s", redis->why);
	}
	pthread_mutex_unlock(&told.lock);
}

static void
tell_back(const struct redis *redis)
{
	pthread_mutex_lock(&told.lock);
	if (told.is_away)
		log_info("upstream: %s: is back", redis->place);
	told.is_away = false;
	pthread_mutex_unlock(&told.lock);
}

/* tell_error: Redis answers, but not with what it is asked for. */
static void
tell_error(const struct redis *redis)
{
	pthread_mutex_lock(&told.lock);
	if (is_due(&told.errors_at))
		log_errorx("upstream: %s", redis->why);
	pthread_mutex_unlock(&told.lock);
}

/* because says why, with the place before it. */
static void because(struct redis *redis, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
because(struct redis *redis, const char *format, ...)
{
	int n = snprintf(redis->why, sizeof(redis->why), "%s: ", redis->place);
	va_list ap;

	va_start(ap, format);
	vsnprintf(redis->why + n, sizeof(redis->why) - (size_t)n, format, ap);
	va_end(ap);
}

const char *
redis_place(const struct redis *redis)
{
	return redis->place;
}

const char *
redis_why(const struct redis *redis)
{
	return redis->why;
}

/* ---- the handle ---- */

static char *
copy_of(const char *string)
{
	return string != NULL ? mem_strdup(string) : NULL;
}

static char *
place_named(const char *host, int port)
{
	return mem_printf(strchr(host, ':') != NULL ? "[%s]:%d" : "%s:%d", host, port);
}

struct redis *
redis_new(const struct conf *conf)
{
	struct redis *redis = mem_zalloc(sizeof(*redis));
	const struct setting_upstream *where = &conf->upstream;

	redis->where = *where;
	for (size_t i = 0; i < where->n_hosts; i++)
		redis->where.hosts[i].name = copy_of(where->hosts[i].name);
	redis->where.path = copy_of(where->path);
	redis->where.master = copy_of(where->master);
	redis->where.user = copy_of(where->user);
	redis->where.password = copy_of(where->password);
	redis->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (redis->wake_fd < 0)
		fatal("upstream: eventfd");
	if (where->kind == SETTING_REDIS_SENTINEL) {
		redis->primary = primary_new(&redis->where, redis->wake_fd);
		redis->place = mem_strdup(where->master);
	} else if (where->kind == SETTING_REDIS_UNIX) {
		redis->place = mem_strdup(where->path);
	} else {
		redis->place = place_named(where->hosts[0].name, where->hosts[0].port);
	}
	return redis;
}

void
redis_free(struct redis *redis)
{
	if (redis == NULL)
		return;
	link_close(redis->link);
	primary_free(redis->primary);
	setting_drop_upstream(&redis->where);
	free(redis->place);
	close(redis->wake_fd);
	free(redis);
}

void
redis_interrupt(struct redis *redis)
{
	uint64_t one = 1;

	atomic_store(&redis->is_interrupted, true);
	if (write(redis->wake_fd, &one, sizeof(one)) < 0) {
		/* It is full: readable in any case. */
	}
}

bool
redis_is_interrupted(const struct redis *redis)
{
	return atomic_load(&redis->is_interrupted);
}

uint64_t
redis_n_connects(const struct redis *redis)
{
	return redis->n_connects;
}

void
redis_drop(struct redis *redis)
{
	if (redis->link == NULL)
		return;
	link_close(redis->link);
	redis->link = NULL;
	if (redis->primary != NULL)
		primary_doubt(redis->primary);
}

/* ---- what errors mean ---- */

int
redis_take_error(struct redis *redis, const struct redis_value *error)
{
	char why[ERROR_WHY_BYTES];
	bool leaves;
	int outcome = error_read(redis_text(error, NULL), why, &leaves);

	because(redis, "%s", why);
	if (leaves)
		redis_drop(redis);
	if (outcome == UPSTREAM_AWAY) {
		redis->is_unwilling = true;
		tell_away(redis);
	} else {
		tell_error(redis);
	}
	return outcome;
}

/* ---- connecting ---- */

/* locate fills place with where the primary should be. */
static int
locate(struct redis *redis, struct link_place *place, mono_us deadline)
{
	const struct setting_upstream *where = &redis->where;
	char why[PRIMARY_WHY_BYTES];
	int outcome;

	*place = (struct link_place){ .path = where->path, .tls = where->tls };
	if (where->kind == SETTING_REDIS_UNIX)
		return 0;
	place->host = where->hosts[0].name;
	place->port = where->hosts[0].port;
	if (redis->primary == NULL)
		return 0;
	outcome = primary_find(redis->primary, deadline, &place->host, &place->port, why);
	if (outcome != 0) {
		snprintf(redis->why, sizeof(redis->why), "%s", why);
		if (outcome != PRIMARY_UNKNOWN)
			return UPSTREAM_AWAY;
		tell_error(redis);
		return UPSTREAM_REFUSED;
	}
	redis->ask_at = clock_mono_us() + ASK_AGAIN_US;
	free(redis->place);
	redis->place = place_named(place->host, place->port);
	return 0;
}

/* greet makes the new connection ours. */
static int
greet(struct redis *redis, mono_us deadline)
{
	const struct setting_upstream *where = &redis->where;
	char db[16];
	const char *const auth[] = { "AUTH", where->user, where->password };
	const char *const auth_default[] = { "AUTH", where->password };
	const char *const select[] = { "SELECT", db };
	const char *const role[] = { "ROLE" };
	int n = 0, outcome = 0;
	char lost[LINK_WHY_BYTES];
	struct redis_value *answer = NULL;

	snprintf(db, sizeof(db), "%d", where->db);
	if (where->password != NULL) {
		if (where->user != NULL)
			link_send(redis->link, 3, auth, NULL);
		else
			link_send(redis->link, 2, auth_default, NULL);
		n++;
	}
	if (where->db != 0) {
		link_send(redis->link, 2, select, NULL);
		n++;
	}
	link_send(redis->link, 1, role, NULL);
	for (n++; n > 0 && outcome == 0; n--) {
		redis_value_free(answer);
		answer = link_receive(redis->link, deadline, lost);
		if (answer == NULL) {
			because(redis, "%s", lost);
			outcome = UPSTREAM_AWAY;
		} else if (redis_kind(answer) == REDIS_ERROR) {
			outcome = redis_take_error(redis, answer);
		}
	}
	if (outcome == 0 && !redis_is_text(redis_at(answer, 0), "master")) {
		because(redis, "it is a replica: `upstream` has to name the primary, or the Sentinels "
		    "that know it, as in redis-sentinel://HOST:PORT,HOST:PORT/MASTER");
		outcome = UPSTREAM_REFUSED;
		/* A Sentinel that is behind has named it, and will know better. */
		if (redis->primary != NULL) {
			because(redis, "the Sentinels name it, but it is no primary");
			outcome = UPSTREAM_AWAY;
		} else {
			tell_error(redis);
		}
	}
	redis_value_free(answer);
	return outcome;
}

/* try goes all the way once. */
static int
try(struct redis *redis, mono_us deadline)
{
	struct link_place place;
	char lost[LINK_WHY_BYTES];
	int outcome = locate(redis, &place, deadline);

	if (outcome != 0)
		return outcome;
	redis->link = link_open(&place, redis->wake_fd, deadline, lost);
	if (redis->link == NULL) {
		because(redis, "%s", lost);
		if (redis->primary != NULL)
			primary_doubt(redis->primary);
		return UPSTREAM_AWAY;
	}
	outcome = greet(redis, deadline);
	if (outcome != 0) {
		redis_drop(redis);
		return outcome;
	}
	redis->n_connects++;
	redis->refused_at = 0;
	tell_back(redis);
	return 0;
}

/* is_still_primary asks a Sentinel, where it is time to. */
static bool
is_still_primary(struct redis *redis, mono_us deadline)
{
	mono_us now = clock_mono_us();
	char why[PRIMARY_WHY_BYTES];
	const char *host;
	char *place;
	int port;
	bool is_same;

	if (redis->primary == NULL || now < redis->ask_at)
		return true;
	redis->ask_at = now + ASK_AGAIN_US;
	if (primary_find(redis->primary, deadline < now + ASK_US ? deadline : now + ASK_US, &host, &port,
	    why) != 0) {
		redis->ask_at = now + ASK_LATER_US;
		return true;
	}
	place = place_named(host, port);
	is_same = strcmp(place, redis->place) == 0;
	if (!is_same)
		log_info("upstream: %s: the Sentinels name another primary now, %s", redis->place, place);
	free(place);
	return is_same;
}

/* pause_until waits, unless interrupted. */
static void
pause_until(struct redis *redis, mono_us until)
{
	struct pollfd wake = { .fd = redis->wake_fd, .events = POLLIN };
	mono_us left;

	while ((left = until - clock_mono_us()) > 0)
		if (poll(&wake, 1, (int)(left / 1000) + 1) > 0)
			return;
}

static mono_us
sooner(mono_us one, mono_us other)
{
	return one < other ? one : other;
}

/* again says when to try again. */
static mono_us
again(void)
{
	return clock_mono_in_ms(random_between(AGAIN_MIN_MS, AGAIN_MAX_MS));
}

int
redis_connect(struct redis *redis, mono_us deadline)
{
	int outcome;

	if (redis->link != NULL && !redis_is_interrupted(redis)) {
		if (!link_is_quiet(redis->link))  /* it was closed while nothing was asked */
			redis_drop(redis);
		else if (is_still_primary(redis, deadline))
			return 0;
		else {
			link_close(redis->link);  /* and no doubt about the Sentinel */
			redis->link = NULL;
		}
	}
	if (redis->refused_at != 0) {
		pause_until(redis, sooner(deadline, redis->refused_at + SECOND_US));
		if (clock_mono_us() < redis->refused_at + SECOND_US && !redis_is_interrupted(redis))
			return UPSTREAM_REFUSED;
	}
	/* It might connect at once, and answer the same, as fast as it is asked. */
	if (redis->is_unwilling)
		pause_until(redis, sooner(deadline, again()));
	redis->is_unwilling = false;
	while (!redis_is_interrupted(redis)) {
		outcome = try(redis, sooner(deadline, clock_mono_us() + TRY_US));
		if (outcome == 0)
			return 0;
		if (outcome == UPSTREAM_REFUSED) {
			redis->refused_at = clock_mono_us();
			return outcome;
		}
		redis->refused_at = 0;
		if (redis_is_interrupted(redis))
			break;
		tell_away(redis);
		if (clock_mono_us() >= deadline)
			break;
		pause_until(redis, sooner(deadline, again()));
		if (clock_mono_us() >= deadline)
			break;
	}
	return UPSTREAM_AWAY;
}

/* ---- commands and answers ---- */

void
redis_send(struct redis *redis, size_t n, const char *const args[], const size_t lens[])
{
	if (redis->link != NULL)
		link_send(redis->link, n, args, lens);
}

struct redis_value *
redis_receive(struct redis *redis, mono_us deadline)
{
	char lost[LINK_WHY_BYTES];
	struct redis_value *answer;

	if (redis->link == NULL)
		return NULL;
	answer = link_receive(redis->link, deadline, lost);
	if (answer == NULL) {
		because(redis, "%s", lost);
		redis_drop(redis);
	}
	return answer;
}
