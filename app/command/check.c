/* rowcast check: reads the configuration and the keys as rowcast serve would, and looks
 * at the store and the socket that it would open, and at the log upstream. What cannot
 * work is an error, what may not is a warning: an upstream that is away may be back when
 * it is needed. It goes through all of it, so that one run tells all there is to correct.
 * One thread; it makes nothing, and connects to nobody but that log. */

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/access/auth.h"
#include "app/command/command.h"
#include "app/command/manual.h"
#include "app/fastcgi/listener.h"
#include "app/hub/hub.h"
#include "app/store/store.h"
#include "app/upstream/upstream.h"

/* The shipped configurations of the web servers end what is silent for 360 s, and one
 * lost heartbeat should not be enough. */
enum { HEARTBEAT_WARN_MS = 120 * 1000 };

/* ---- what may not work ---- */

static void
warn_of_heartbeat(const struct conf *conf)
{
	if (conf->heartbeat_ms > HEARTBEAT_WARN_MS)
		log_warnx("check: heartbeat is %" PRId64 " s: web servers and proxies cut what is"
		    " silent for long: lighttpd after server.max-write-idle, Apache after Timeout,"
		    " nginx after fastcgi_read_timeout and send_timeout (360 s in our samples of"
		    " them): %d s are the most that is sensible", conf->heartbeat_ms / 1000,
		    HEARTBEAT_WARN_MS / 1000);
}

static void
warn_of_descriptors(const struct conf *conf)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0
	    && files.rlim_max < conf->max_streams + HUB_SPARE_DESCRIPTORS)
		log_warnx("check: max_streams is %zu: with %llu open files allowed, as here, there"
		    " will be fewer (ulimit -Hn, LimitNOFILE= of systemd)", conf->max_streams,
		    (unsigned long long)files.rlim_max);
}

static void
warn_of_mode(const struct conf *conf)
{
	if (strncmp(conf->listen, "unix:", strlen("unix:")) == 0
	    && (conf->listen_mode & S_IWOTH) != 0)
		log_warnx("check: listen_mode is %04o: everybody on this machine can connect, past the"
		    " web server and what it denies", (unsigned)conf->listen_mode);
}

/* ---- what was looked at ---- */

static void
tell_of_file(const struct command_conf *cc)
{
	const char *file = cc->file != NULL ? cc->file : CONF_DEFAULT_FILE;

	printf("the configuration and the keys are right: %s\n",
	    cc->file != NULL || access(file, F_OK) == 0 ? file : "defaults and options alone");
}

static void
tell_of_store(const struct conf *conf, const struct store_look *look)
{
	printf("store: %s: ", conf->store);
	if (!look->exists)
		puts("will be made");
	else if (look->has_unread)
		puts("is there; its -wal has more, which is read at the start");
	else if (look->bounds.newest == 0)
		puts("is there, no messages yet");
	else if (look->bounds.oldest > look->bounds.newest)
		printf("no messages after %" PRId64 "\n", look->bounds.newest);
	else
		printf("messages %" PRId64 " to %" PRId64 "\n", look->bounds.oldest,
		    look->bounds.newest);
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

/* check returns the exit status. */
static int
check(const struct conf *conf, const struct command_conf *cc)
{
	struct auth *auth = auth_open(conf);
	struct store_look look;
	int store = store_look(conf->store, conf->upstream.kind == SETTING_NO_UPSTREAM
	    ? STORE_OWNER : STORE_COPY, &look);
	int listener = listener_look(conf);
	char *upstream;
	int outcome = look_upstream(conf, &upstream);
	bool failed = auth == NULL || store < 0 || listener < 0 || outcome == UPSTREAM_REFUSED;

	auth_close(auth);
	warn_of_heartbeat(conf);
	warn_of_descriptors(conf);
	warn_of_mode(conf);
	if (!failed) {
		tell_of_file(cc);
		tell_of_store(conf, &look);
		tell_of_upstream(upstream, outcome);
		tell_of_listener(conf, listener);
		if (geteuid() == 0)
			puts("root may open any file: ask as the user that runs rowcast, too");
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
	    " cannot work is an error, what may not is a warning, and one run tells all of it.",
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
