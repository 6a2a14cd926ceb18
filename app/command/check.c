/* rowcast check: reads the configuration and the keys as rowcast serve would, and looks
 * at the store and the socket that it would open, and at the log upstream. What cannot
 * work is an error, what may not is a warning: an upstream that is away may be back when
 * it is needed. It goes through all of it, so that one run tells all there is to correct.
 * One thread; it makes nothing, and connects to nobody but that log.
 *
 * What may not work whatever machine it is on stands in doubts.c. */

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/access/auth.h"
#include "app/command/command.h"
#include "app/command/doubts.h"
#include "app/command/manual.h"
#include "app/command/standin.h"
#include "app/fastcgi/listener.h"
#include "app/store/store.h"
#include "app/upstream/upstream.h"
#include "lib/permission.h"

/* ---- what was looked at ---- */

static const char *
file_of(const struct command_conf *cc)
{
	return cc->file != NULL ? cc->file : CONF_DEFAULT_FILE;
}

static void
tell_of_file(const struct command_conf *cc)
{
	const char *file = file_of(cc);

	printf("the configuration and the keys are right: %s\n",
	    cc->file != NULL || access(file, F_OK) == 0 ? file : "defaults and options alone");
}

static void
print_bytes(int64_t n)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	double size = (double)n / 1024;
	size_t unit = 0;

	while (size >= 1024 && unit < 3) {
		size /= 1024;
		unit++;
	}
	printf(size < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", size, units[unit]);
}

static void
tell_of_store(const struct conf *conf, const struct store_look *look)
{
	printf("store: %s: ", conf->store);
	if (!look->exists) {
		puts("will be made");
		return;
	}
	if (look->version == 0 || look->has_unread)
		printf("is there");
	else if (look->bounds.newest == 0)
		printf("no messages yet");
	else if (look->n_rows == 0)
		printf("no messages after %" PRId64, look->bounds.newest);
	else
		printf("messages %" PRId64 " to %" PRId64 ", %" PRId64 " %s", look->bounds.oldest,
		    look->bounds.newest, look->n_rows, look->n_rows == 1 ? "row" : "rows");
	printf(", ");
	print_bytes(look->bytes.db + look->bytes.wal);
	if (look->version > 0)
		printf(", schema version %" PRId64, look->version);
	else if (!look->has_unread)
		printf(", without rowcast's tables, which `rowcast serve` makes");
	if (look->version > 0 && look->version < look->version_made)
		printf(", which `rowcast serve` upgrades to %" PRId64, look->version_made);
	puts(look->has_unread ? "; its -wal has more, which is read at the start" : "");
}

/* look_upstream says in *what, which the caller frees, how it is. An outcome; 0 where
 * none is named, and then *what is NULL. */
static int
look_upstream(const struct conf *conf, char **what)
{
	struct upstream *log;
	int outcome;

	*what = NULL;
	if (conf->upstream.kind == SETTING_NO_UPSTREAM)
		return 0;
	log = upstream_open(conf);
	outcome = upstream_look(log, what);
	upstream_close(log);
	return outcome;
}

static void
tell_of_upstream(const char *what, int outcome)
{
	if (what != NULL)
		printf("upstream: %s%s\n", outcome == 0 ? "" : "away: ", what);
}

static void
tell_of_listener(const struct conf *conf, int outcome)
{
	if (outcome == LISTENER_PASSED)
		puts("listen: a socket is passed, `listen` is not used");
	else
		printf("listen: %s: %s\n", conf->listen, outcome == LISTENER_SERVED
		    ? "somebody listens there now, a rowcast or systemd" : "free");
}

/* ---- as who will run it ---- */

/* Root may open any file, and so sees nothing of what the service's user may not. */
#define SERVICE_USER "rowcast"

struct service {
	const struct conf *conf;
	const char *file;
};

static int
look_at_store(const struct conf *conf, struct store_look *look)
{
	return store_look(conf->store, conf->upstream.kind == SETTING_NO_UPSTREAM ? STORE_OWNER
	    : STORE_COPY, look);
}

/* look_as_service runs as the service's user; what it logs is retold. */
static void
look_as_service(void *context)
{
	const struct service *service = context;
	struct store_look look;
	char *why;

	why = permission_refusal(service->file, R_OK, NULL);
	if (why != NULL)
		log_errorx("conf: %s", why);
	free(why);
	auth_close(auth_open(service->conf));
	look_at_store(service->conf, &look);
}

/* retell: another configuration than the service's may be meant for another user. */
static void
retell(void *context, const char *error)
{
	const struct service *service = context;

	if (strcmp(service->file, CONF_DEFAULT_FILE) == 0)
		log_warnx("check: as the user " SERVICE_USER ", whom the service has, it would not work: %s",
		    error);
	else
		printf("as the user " SERVICE_USER " it would not work: %s\n", error);
}

static void
tell_of_service(const struct conf *conf, const struct command_conf *cc)
{
	struct service service = { conf, file_of(cc) };

	if (geteuid() != 0)
		return;
	switch (standin_run(SERVICE_USER, look_as_service, retell, &service)) {
	case STANDIN_NOBODY:
		puts("root may open any file: ask as the user that runs rowcast, too");
		break;
	case 0:
		puts("the user " SERVICE_USER " may read the keys and open the store, too");
	}
}

/* check returns the exit status. */
static int
check(const struct conf *conf, const struct command_conf *cc)
{
	struct auth *auth = auth_open(conf);
	struct store_look look;
	int store = look_at_store(conf, &look);
	int listener = listener_look(conf);
	char *upstream;
	int outcome = look_upstream(conf, &upstream);
	bool failed = auth == NULL || store < 0 || listener < 0 || outcome == UPSTREAM_REFUSED;

	auth_close(auth);
	doubts_of_conf(conf, file_of(cc));
	if (store == 0)
		doubts_of_store(&look);
	if (!failed) {
		tell_of_file(cc);
		tell_of_store(conf, &look);
		tell_of_upstream(upstream, outcome);
		tell_of_listener(conf, listener);
		tell_of_service(conf, cc);
	}
	free(upstream);
	return failed ? 1 : 0;
}

static int
run(int argc, char *argv[])
{
	struct command_conf cc = { 0 };
	struct conf conf;
	int status;

	if (!manual_read(&manual_check, argc, argv, &cc, &status))
		return status;
	status = 1;
	if (command_conf_load(&cc, &conf) == 0) {
		status = check(&conf, &cc);
		conf_free(&conf);
	}
	manual_free(&manual_check, &cc);
	return status;
}

const struct manual manual_check = {
	.name = "check",
	.run = run,
	.summary = "says whether serve would work: configuration, keys, store, socket",
	.synopsis = "",
	.description = "Reads the configuration and the keys, and looks at the store, the socket and the log"
	    " upstream, as `rowcast serve` would open them; it makes nothing and changes nothing. What"
	    " cannot work is an error, what may not is a warning, and one run tells all of it; else it says"
	    " what is there: rows, ids, size and schema of the store, who listens.",
	.exits = (const struct manual_exit[]){
		{ 0, "it will work; there may be warnings on stderr" },
		{ 1, "it cannot work; stderr says what, by file and line, and what helps" },
		{ 2, "it was wrongly used" },
		{ 0 },
	},
	.examples = (const struct manual_example[]){
		{ "rowcast check", "before a start, or a reload" },
		{ "runuser -u rowcast -- rowcast check", "the same as the user that the service has" },
		{ "rowcast check -o heartbeat=5m", "what would be said of another setting" },
		{ 0 },
	},
};
