/* One function for each doubt. A bound that comes from the web servers is that of their
 * samples, conf/lighttpd.conf, conf/apache.conf and conf/nginx.conf: which one stands in
 * front is not known here. */

#include "app/command/doubts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "app/hub/hub.h"

enum {
	/* The samples end what is silent for so long, and one lost heartbeat should not be
	 * enough; three are. */
	SAMPLES_SILENCE_S = 360,
	HEARTBEAT_WARN_MS = SAMPLES_SILENCE_S * 1000 / 3,

	/* How many streams they hold: nginx, which needs two connections for each, in one
	 * of its processes. */
	LIGHTTPD_STREAMS = 2 * 9000,
	NGINX_STREAMS = 19000 / 2,
	APACHE_STREAMS = 2048,

	RETRY_MAX_WARN_MS = 60 * 1000,       /* rowcast itself says 60 s at most to anybody */
	COMEBACKS_PER_SECOND_WARN = 100000,  /* picked: far more than a machine can serve */
};

/* ---- web servers ---- */

static void
doubt_heartbeat(const struct conf *conf)
{
	if (conf->heartbeat_ms > HEARTBEAT_WARN_MS)
		log_warnx("check: heartbeat is %" PRId64 " s: web servers and proxies cut what is"
		    " silent for long: lighttpd after server.max-write-idle, Apache after Timeout,"
		    " nginx after fastcgi_read_timeout and send_timeout (%d s in our samples of"
		    " them): %d s are the most that is sensible", conf->heartbeat_ms / 1000,
		    SAMPLES_SILENCE_S, HEARTBEAT_WARN_MS / 1000);
}

static void
doubt_connections(const struct conf *conf)
{
	if (conf->max_streams > LIGHTTPD_STREAMS)
		log_warnx("check: max_streams is %zu: our samples of web servers hold fewer: lighttpd %d"
		    " (server.max-connections for each of server.max-worker), nginx %d in each process"
		    " (half of worker_connections), Apache %d (MaxRequestWorkers): beyond, they let"
		    " nobody in, and rowcast cannot tell anybody so", conf->max_streams, LIGHTTPD_STREAMS,
		    NGINX_STREAMS, APACHE_STREAMS);
}

static void
doubt_mode(const struct conf *conf)
{
	if (strncmp(conf->listen, "unix:", strlen("unix:")) == 0
	    && (conf->listen_mode & S_IWOTH) != 0)
		log_warnx("check: listen_mode is %04o: everybody on this machine can connect, past the"
		    " web server and what it denies", (unsigned)conf->listen_mode);
}

/* ---- limits ---- */

static void
doubt_descriptors(const struct conf *conf)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0
	    && files.rlim_max < conf->max_streams + HUB_SPARE_DESCRIPTORS)
		log_warnx("check: max_streams is %zu: with %llu open files allowed, as here, there"
		    " will be fewer (ulimit -Hn, LimitNOFILE= of systemd)", conf->max_streams,
		    (unsigned long long)files.rlim_max);
}

static void
doubt_streams_of_user(const struct conf *conf)
{
	if (conf->max_streams_per_user > conf->max_streams)
		log_warnx("check: max_streams_per_user is %zu, above max_streams, which is %zu: one user can"
		    " lock all others out", conf->max_streams_per_user, conf->max_streams);
}

static void
doubt_retry(const struct conf *conf)
{
	int64_t width_ms = conf->retry.max_ms - conf->retry.min_ms;

	if (conf->retry.max_ms > RETRY_MAX_WARN_MS)
		log_warnx("check: retry goes up to %" PRId64 " s: who has lost the line for a moment gets"
		    " nothing for so long: 2s..6s is sensible", conf->retry.max_ms / 1000);
	if ((int64_t)conf->max_streams * 1000 > COMEBACKS_PER_SECOND_WARN * width_ms)
		log_warnx("check: retry is a range of %" PRId64 " ms: after a restart all of %zu streams come"
		    " back within it: 2s..6s is sensible", width_ms, conf->max_streams);
}

static void
doubt_retention(const struct conf *conf)
{
	if (conf->keep_for_s == 0 && conf->keep_rows == 0)
		log_warnx("check: keep_for and keep_rows are 0: the table grows until the disk is full");
	if (conf->keep_for_s != 0 && conf->keep_for_s * 1000 < conf->retry.max_ms + conf->heartbeat_ms)
		log_warnx("check: keep_for is %" PRId64 " s: messages are deleted before somebody who has lost"
		    " the line has noticed (heartbeat) and is back (retry)", conf->keep_for_s);
}

/* ---- secrets ---- */

static void
doubt_password(const struct conf *conf, const char *file)
{
	struct stat st;

	if (conf->upstream.password != NULL && stat(file, &st) == 0 && (st.st_mode & S_IROTH) != 0)
		log_warnx("check: %s: everybody on this machine can read the password of `upstream` in it"
		    " (chmod o-r)", file);
}

void
doubts_of_conf(const struct conf *conf, const char *file)
{
	doubt_heartbeat(conf);
	doubt_connections(conf);
	doubt_descriptors(conf);
	doubt_streams_of_user(conf);
	doubt_retry(conf);
	doubt_retention(conf);
	doubt_mode(conf);
	doubt_password(conf, file);
}

/* ---- the store's place ---- */

void
doubts_of_store(const struct store_look *look)
{
	if (look->network != NULL)
		log_warnx("check: the store's folder %s is on a network file system, %s: SQLite's log in"
		    " shared memory works on one machine's own disk only: choose another place, and"
		    " `upstream` for several machines", look->folder, look->network);
	if (look->is_shared && !look->hands_group_on)
		log_warnx("check: the store's folder %s may be written by its group, and does not hand it on:"
		    " what another user makes there beside the database rowcast may not be able to open:"
		    " `chmod g+s %s`", look->folder, look->folder);
}
