/* rowcast serve: the FastCGI responder. This file starts and stops all threads; its
 * own, main's, then waits for signals, and once a second tells who watches how it is. A message passes through intake, a
 * worker, the writer, the tail and the hub. They are started from the last to the
 * first, so that each finds the next one there, and stopped from the first to the
 * last: nothing new comes in, what came in is committed, what was committed is
 * sent. The store has three handles: the writer's, the tail's and catch-up's; where several
 * machines share a log, the writer publishes to that and the node's threads have handles
 * instead. */

#include "app/serve/serve.h"

#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/command/manual.h"
#include "app/fastcgi/intake.h"
#include "app/fastcgi/listener.h"
#include "app/hub/hub.h"
#include "app/hub/tail.h"
#include "app/node/node.h"
#include "app/publish/following.h"
#include "app/publish/writer.h"
#include "app/serve/service.h"
#include "app/serve/status.h"
#include "app/serve/workers.h"
#include "app/store/store.h"
#include "app/upstream/upstream.h"
#include "lib/log.h"
#include "lib/mem.h"

/* Buffers from this size on go back to the system as soon as they are freed;
 * picked, not tuned: no message that /msg takes by default needs as much. */
enum { LARGE_BUFFER_BYTES = 1 << 20 };

#define SECOND_US INT64_C(1000000)

/* return_large_buffers makes the bound on what stalled streams hold (rowcast-protocol(7)) one
 * of the process. By itself glibc raises its threshold to whatever was freed
 * last, and then keeps the pages of large messages in one thread's arena while
 * another's holds what is unsent: twice the memory and more. */
static void
return_large_buffers(void)
{
	mallopt(M_MMAP_THRESHOLD, LARGE_BUFFER_BYTES);
	mallopt(M_TRIM_THRESHOLD, 2 * LARGE_BUFFER_BYTES);
}

/* raise_descriptors takes as many descriptors as we are allowed to. */
static void
raise_descriptors(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static void
warn_of_descriptors(const struct conf *conf)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0
	    && files.rlim_cur < conf->max_streams + HUB_SPARE_DESCRIPTORS)
		log_warnx("serve: with %llu open files allowed there will be fewer streams than"
		    " max_streams = %zu", (unsigned long long)files.rlim_cur, conf->max_streams);
}

/* signals_block comes before any thread, and before libfcgi installs handlers.
 * SIGPIPE and SIGXFSZ are errors of a write, which whoever writes reports. */
static void
signals_block(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGPIPE);
	sigaddset(set, SIGXFSZ);
	sigaddset(set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, set, NULL);
}

/* apply sets what may change while running. */
static void
apply(struct service *service, const struct conf *conf)
{
	log_set_level(conf->log_level);
	atomic_store(&service->max_message_bytes, conf->max_message_bytes);
	atomic_store(&service->retry_min_ms, conf->retry.min_ms);
	atomic_store(&service->retry_max_ms, conf->retry.max_ms);
	atomic_store(&service->heartbeat_ms, conf->heartbeat_ms);
}

/* warn_of_restart names the keys that were changed in vain: what they set is made at
 * the start. */
static void
warn_of_restart(const struct conf *in_force, const struct conf *fresh)
{
	char *keys = conf_need_restart(in_force, fresh);

	if (keys != NULL)
		log_warnx("serve: %s: changed, but need a restart", keys);
	free(keys);
}

static void
reload(struct service *service, const struct command_conf *cc)
{
	struct conf conf;

	/* Not command_conf_load(), which puts the log level in force at once. */
	if (conf_load(&conf, cc->file, cc->options.values, cc->options.n) == 0
	    && auth_reload(service->auth, &conf) == 0) {
		apply(service, &conf);
		hub_reload(service->hub, &conf);
		writer_reload(service->writer, &conf);
		if (service->node != NULL)
			node_reload(service->node, &conf);
		warn_of_restart(service->conf, &conf);
		warn_of_descriptors(&conf);
		atomic_fetch_add(&service->n_reloads, 1);
		log_info("serve: keys, limits and retention are reloaded");
	} else {
		atomic_fetch_add(&service->n_failed_reloads, 1);
		log_errorx("serve: nothing was reloaded; the configuration before stays in force");
	}
	conf_free(&conf);
}

/* wait_until returns the signal that came before that time, or -1. */
static int
wait_until(const sigset_t *set, mono_us until)
{
	mono_us left = until - clock_mono_us();
	struct timespec wait = { 0 };

	if (left > 0)
		wait = (struct timespec){ left / 1000000, left % 1000000 * 1000 };
	return sigtimedwait(set, NULL, &wait);
}

/* signals_wait returns when it is time to end. Until then it does what is to be done every
 * second. */
static void
signals_wait(const sigset_t *set, struct service *service, const struct command_conf *cc)
{
	mono_us next = clock_mono_us() + SECOND_US;

	for (;;) {
		if (clock_mono_us() >= next) {
			status_publish(service);
			next += SECOND_US;
			if (next <= clock_mono_us())
				next = clock_mono_us() + SECOND_US;  /* we were held up */
		}
		switch (wait_until(set, next)) {
		case SIGTERM:
		case SIGINT:
			return;
		case SIGHUP:
			reload(service, cc);
		}
	}
}

static _Atomic bool store_lost;

/* end_for_store is called by the tail's thread when the store is no longer the one
 * that was opened: all that is in memory belongs to its old ids. The streams are
 * drained all the same: clients come back, and whoever started us starts us anew. */
static void
end_for_store(void)
{
	atomic_store(&store_lost, true);
	kill(getpid(), SIGTERM);
}

/* ---- what writer and node tell and ask ---- */

static void
committed(void *context, int64_t id)
{
	struct service *service = context;

	tail_committed(service->tail, id);
}

static int64_t
seen(void *context)
{
	struct service *service = context;
	struct store_bounds bounds;

	tail_bounds(service->tail, &bounds);
	return bounds.newest;
}

static int64_t
sent(void *context)
{
	struct service *service = context;
	struct hub_counters counters;

	hub_count(service->hub, &counters);
	return counters.sent;
}

/* heard raises the newest first: who begins there is not to be taken for one that is
 * ahead of the log. */
static void
heard(void *context, int64_t newest, mono_us asked_at)
{
	struct service *service = context;

	tail_heard(service->tail, newest);
	hub_heard(service->hub, newest, asked_at);
}

/* ---- the first lines of the log ---- */

/* name_upstream: without credentials; the caller frees it. */
static char *
name_upstream(const struct setting_upstream *upstream)
{
	switch (upstream->kind) {
	case SETTING_REDIS_UNIX:
		return mem_printf(", upstream unix:%s", upstream->path);
	case SETTING_REDIS_SENTINEL:
		return mem_printf(", upstream %s as the Sentinels say", upstream->master);
	case SETTING_REDIS:
		return mem_printf(", upstream %s:%d", upstream->hosts[0].name,
		    upstream->hosts[0].port);
	default:
		return mem_strdup("");
	}
}

/* say_what is the first: whose it is. */
static void
say_what(const struct conf *conf)
{
	int fd = listener_passed();
	char *upstream = name_upstream(&conf->upstream);

	if (fd >= 0)
		log_info("serve: rowcast " PACKAGE_VERSION " on the socket passed as descriptor %d,"
		    " store %s%s", fd, conf->store, upstream);
	else
		log_info("serve: rowcast " PACKAGE_VERSION " on %s, store %s%s", conf->listen,
		    conf->store, upstream);
	free(upstream);
}

/* say_ready does not count the messages, which takes long where there are many. */
static void
say_ready(const struct store_bounds *bounds)
{
	if (bounds->newest == 0)
		log_info("serve: ready, no messages yet");
	else if (bounds->oldest > bounds->newest)
		log_info("serve: ready, no messages after %" PRId64, bounds->newest);
	else
		log_info("serve: ready, messages %" PRId64 " to %" PRId64, bounds->oldest,
		    bounds->newest);
}

/* start_publishing starts the writer, and the node where there are other machines. Takes
 * the store. -1: logged. */
static int
start_publishing(struct service *service, const struct conf *conf, struct store *store)
{
	const struct node_wiring wiring = {
		.heard = heard, .followed = committed, .seen = seen, .sent = sent,
		.users = hub_users(service->hub), .origin = service->origin, .context = service,
	};

	struct store *copy;

	if (conf->upstream.kind == SETTING_NO_UPSTREAM) {
		service->writer = writer_start(conf, store, service->origin, committed, service);
		return 0;
	}
	copy = store_open(conf->store, STORE_COPY);
	if (copy == NULL) {
		store_close(store);
		return -1;
	}
	service->node = node_start(conf, store, &wiring);
	if (service->node == NULL) {
		store_close(copy);
		return -1;
	}
	service->writer = writer_start_upstream(conf, upstream_open(conf), copy, service->origin,
	    seen, committed, service);
	return 0;
}

static int
serve(const struct conf *conf, const struct command_conf *cc)
{
	struct service service = { .conf = conf, .started_at = clock_mono_us(),
	    .process_started_us = clock_wall_us() };
	struct listener listener;
	struct store_bounds bounds;
	struct store *store;
	struct intake_service at_intake;
	struct intake *intake;
	struct workers *workers;
	sigset_t signals;

	apply(&service, conf);
	say_what(conf);
	raise_descriptors();
	warn_of_descriptors(conf);
	return_large_buffers();
	service.auth = auth_open(conf);
	if (service.auth == NULL)
		return 1;
	store = store_open(conf->store,
	    conf->upstream.kind == SETTING_NO_UPSTREAM ? STORE_OWNER : STORE_COPY);
	if (store == NULL || store_bounds(store, &bounds) < 0)
		goto fail;
	if (listener_open(&listener, conf) < 0)
		goto fail;
	signals_block(&signals);
	request_init_library();

	service.origin = origin_new();
	service.hub = hub_start(conf, conf->store, bounds.newest);
	if (service.hub != NULL)
		auth_heed(service.auth, hub_revocations(service.hub));
	service.tail = service.hub != NULL ? tail_start(conf->store, bounds.newest,
	    service.hub, service.origin, end_for_store) : NULL;
	if (service.tail == NULL)
		exit(1);  /* logged; the store went away between two opens */
	if (start_publishing(&service, conf, store) < 0) {
		store = NULL;
		goto stop;
	}
	service.following = following_start(service.writer, conf->store, NULL);
	at_intake = workers_service(&service);
	intake = intake_start(listener.fd, &at_intake);
	workers = workers_start(conf->n_workers, &service, intake);
	say_ready(&bounds);

	signals_wait(&signals, &service, cc);

	log_info("serve: draining");
	intake_stop(intake);
	workers_stop(workers);
	following_stop(service.following);
	writer_stop(service.writer);
	if (service.node != NULL)
		node_stop(service.node);
	tail_stop(service.tail);
	hub_stop(service.hub);
	intake_free(intake);
	listener_close(&listener);
	origin_free(service.origin);
	auth_close(service.auth);
	log_info("serve: done");
	return atomic_load(&store_lost) ? 1 : 0;
stop:
	tail_stop(service.tail);
	hub_stop(service.hub);
	listener_close(&listener);
fail:
	store_close(store);
	origin_free(service.origin);
	auth_close(service.auth);
	return 1;
}

static int
run(int argc, char *argv[])
{
	struct command_conf cc = { 0 };
	struct conf conf;
	int status;

	if (!manual_read(&manual_serve, argc, argv, &cc, &status))
		return status;
	status = 1;
	if (command_conf_load(&cc, &conf) == 0) {
		status = serve(&conf, &cc);
		conf_free(&conf);
	}
	manual_free(&manual_serve, &cc);
	return status;
}

const struct manual manual_serve = {
	.name = "serve",
	.run = run,
	.summary = "the FastCGI responder, in the foreground, log on stderr",
	.synopsis = "",
	.description = "Answers the web server's requests: holds the streams of browsers open, and sends"
	    " each message that is committed to the table to those that it is for. It stays in the"
	    " foreground and logs to stderr. It listens on the socket that systemd or the web server"
	    " passes, else on what `listen` says. SIGTERM and SIGINT drain and end it; SIGHUP reloads"
	    " keys, limits and retention, and drops no stream.",
	.exits = (const struct manual_exit[]){
		{ 0, "it was ended by SIGTERM or SIGINT, and everything is sent" },
		{ 1, "it could not start, or its store was taken away; the log says why" },
		{ 2, "it was wrongly used" },
		{ 0 },
	},
	.examples = (const struct manual_example[]){
		{ "rowcast serve", "as the systemd unit starts it, with " CONF_DEFAULT_FILE },
		{ "rowcast serve -c ./rowcast.conf -o log_level=debug -o listen=127.0.0.1:9000",
		    "with a configuration of one's own, on a TCP port, and a log that says more" },
		{ 0 },
	},
};
