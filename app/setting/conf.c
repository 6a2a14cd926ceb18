/* Loading the configuration. The main thread's, at the start and at each reload;
 * it reads files and logs what is wrong with them, and touches only its conf.
 *
 * Every key is a line of one table: its name, its default as one would write
 * it in the file, what it means, the function that reads a value, the field it goes to,
 * the bounds of a number, and whether a change of it needs a restart. The defaults go
 * through the same functions as what a person wrote, so a default and a written value
 * cannot mean different things; and the manual is made of the same table.
 *
 * Sources are read in order (defaults, file, options) and each value replaces
 * that of the source before. Within one source a key stands once: of two, one is
 * a line that somebody believes is in force. A fault is logged where it stands and
 * counted; the reading goes on, so that one run tells all there is to correct. */

#include "app/setting/conf.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/ini.h"
#include "lib/mem.h"
#include "lib/permission.h"

/* Bounds that catch a typing error; where nothing else is said, picked, not
 * tuned. */
#define LEEWAY_MAX_MS (10 * SETTING_MINUTE_MS) /* a clock that is further off is broken */
#define WORKERS_MAX 1024
#define HEARTBEAT_MIN_MS 100 /* so that a test can wait for one */
#define HEARTBEAT_MAX_MS SETTING_HOUR_MS
#define RETRY_MIN_MS 10
#define RETRY_MAX_MS SETTING_DAY_MS
#define STREAMS_MAX (1024 * 1024) /* a descriptor each; Linux gives a process no more */
#define MESSAGE_MAX_BYTES (1024 * 1024) /* the table refuses more */
#define KEEP_FOR_MIN_MS SETTING_SECOND_MS
#define KEEP_FOR_MAX_MS (100 * 365 * SETTING_DAY_MS)
#define KEEP_ROWS_MAX (INT64_C(1) << 40)

/* ---- the table ---- */

#define TO(member) offsetof(struct conf, member)

static const struct setting settings[] = {
	{ "listen", "unix:/run/rowcast/rowcast.sock",
	    "Where web servers reach rowcast: unix:PATH, or HOST:PORT. Not used where systemd or the web"
	    " server hands the socket over.",
	    setting_read_listen, TO(listen), 0, 0, false, setting_same_string },
	{ "listen_mode", "0660",
	    "Permissions of the unix socket: who may write to it may connect.",
	    setting_read_mode, TO(listen_mode), 0, 0, false, setting_same_mode },
	{ "listen_group", NULL,
	    "The group of the unix socket, the web server's for instance. Empty: that of the process, or"
	    " the folder's where that hands it on (chmod g+s). It needs root, or a process that is in the"
	    " group.",
	    setting_read_group, TO(listen_group), 0, 0, false, setting_same_optional },
	{ "store", "sqlite:/var/lib/rowcast/rowcast.db",
	    "Where messages live: sqlite:PATH; with `upstream`, this machine's copy of them. The file is"
	    " made with mode 0660, whatever the umask. Who publishes has to be able to write it, its -wal"
	    " and -shm, and its folder.",
	    setting_read_store, TO(store), 0, 0, false, setting_same_string },
	{ "upstream", NULL,
	    "The log that several machines share: redis://[USER:PASSWORD@]HOST:PORT[/DB] (rediss:// where"
	    " built with hiredis_ssl), unix:PATH, or"
	    " redis-sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT,.../MASTER. Credentials are Redis's,"
	    " percent-encoded; with a password in it nobody else should be able to read this file. Empty:"
	    " this machine is alone.",
	    setting_read_upstream, TO(upstream), 0, 0, false, setting_same_upstream },
	{ "upstream_key", "rowcast",
	    "The key of the stream in Redis; all else is kept under {KEY}: beside it, so two"
	    " installations may share one Redis.",
	    setting_read_upstream_key, TO(upstream_key), 0, 0, false, setting_same_string },
	{ "upstream_replicas", "",
	    "How many replicas must have a message before it is acknowledged or sent. Empty: 1 with"
	    " Sentinel, else 0.",
	    setting_read_replicas, TO(upstream_replicas), 0, 0, false, setting_same_int },
	{ "node", "",
	    "This machine's name among the others, where no other has it. Empty: the host's.",
	    setting_read_node, TO(node), 0, 0, false, setting_same_string },
	{ "jwt_alg", "HS256",
	    "The one algorithm that tokens may have: HS256, HS384, HS512, RS256, RS384, RS512, ES256,"
	    " ES384 or ES512.",
	    setting_read_alg, TO(jwt_alg), 0, 0, false, NULL },
	{ "jwt_key_file", NULL,
	    "The file with the secret (HS..., 16 bytes at least) or the public key in PEM (RS..., ES...),"
	    " root's or rowcast's own, that nobody else can write. Required. May be given twice, to change"
	    " a key: the new one first.",
	    setting_read_key_file, TO(jwt_key_files), 0, 0, false, NULL },
	{ "jwt_user_claim", "sub",
	    "The claim that names the user, a string or a number.",
	    setting_read_claim, TO(jwt_user_claim), 0, 0, false, NULL },
	{ "jwt_issuer", NULL,
	    "Must be the token's iss. Empty: not checked.",
	    setting_read_optional, TO(jwt_issuer), 0, 0, false, NULL },
	{ "jwt_audience", NULL,
	    "Must be the token's aud, or in it. Empty: not checked.",
	    setting_read_optional, TO(jwt_audience), 0, 0, false, NULL },
	{ "jwt_leeway", "5s",
	    "How far ahead an issuer's clock may be: a token whose nbf comes later than that is not valid"
	    " yet. exp is exact.",
	    setting_read_ms, TO(jwt_leeway_ms), 0, LEEWAY_MAX_MS, false, NULL },
	{ "workers", "32",
	    "Threads that answer requests. An open stream needs none.",
	    setting_read_size, TO(n_workers), 1, WORKERS_MAX, false, setting_same_size },
	{ "heartbeat", "15s",
	    "A stream that has been silent for so long gets a heartbeat, which is also what finds clients"
	    " that have gone. Keep it well below the web server's time-outs.",
	    setting_read_ms, TO(heartbeat_ms), HEARTBEAT_MIN_MS, HEARTBEAT_MAX_MS, false, NULL },
	{ "retry", "2s..6s",
	    "Each stream is told its own random delay before it reconnects, from this range, so that not"
	    " everybody comes back in the same second.",
	    setting_read_range, TO(retry), RETRY_MIN_MS, RETRY_MAX_MS, false, NULL },
	{ "max_streams", "10000",
	    "Open streams in all; who comes beyond is told rowcast.busy. Each takes a descriptor.",
	    setting_read_size, TO(max_streams), 1, STREAMS_MAX, false, NULL },
	{ "max_streams_per_user", "16",
	    "Open streams of one user.",
	    setting_read_size, TO(max_streams_per_user), 1, STREAMS_MAX, false, NULL },
	{ "max_message", "64k",
	    "Bytes of data in one message; the table takes no more than 1M.",
	    setting_read_size, TO(max_message_bytes), 1, MESSAGE_MAX_BYTES, false, NULL },
	{ "keep_for", "7d",
	    "How long messages are kept; 0: no bound. What is gone cannot be replayed; streams that need"
	    " it are told.",
	    setting_read_seconds, TO(keep_for_s), KEEP_FOR_MIN_MS, KEEP_FOR_MAX_MS, true, NULL },
	{ "keep_rows", "1000000",
	    "How many messages are kept; 0: no bound. Of the two bounds the one that is reached first"
	    " counts; with `upstream` one of them must be set.",
	    setting_read_rows, TO(keep_rows), 0, KEEP_ROWS_MAX, false, NULL },
	{ "allow_origin", NULL,
	    "Origins whose pages may subscribe and publish, separated by spaces, such as"
	    " https://app.example. Empty: only pages of the same origin.",
	    setting_read_origins, TO(allow_origins), 0, 0, false, setting_same_origins },
	{ "log_level", "info",
	    "error, warn, info or debug.",
	    setting_read_level, TO(log_level), 0, 0, false, NULL },
};

enum { N_SETTINGS = sizeof(settings) / sizeof(settings[0]) };

static const struct setting *
find_setting(const char *name)
{
	for (size_t i = 0; i < N_SETTINGS; i++)
		if (strcmp(settings[i].name, name) == 0)
			return &settings[i];
	return NULL;
}

static bool
read_value(struct conf *conf, const struct setting *setting, const char *value, char *why)
{
	return setting->read(setting, (char *)conf + setting->offset, value, why);
}

/* ---- the sources ---- */

/* A conf_load under way. */
struct load {
	struct conf *conf;
	const char *file;          /* the one that is read; for the log */
	bool has_lost_key_file;    /* one was named, or may have been, in vain */
	/* Of each setting, where this source gives it: the line, or 1 for options, which
	 * have none; 0: it does not. */
	unsigned int given[N_SETTINGS];
	unsigned int n_faults;
};

/* set gives one key its value; line is that of the file, or 0. false: why says why
 * not. */
static bool
set(struct load *load, unsigned int line, const char *name, const char *value, char *why)
{
	const struct setting *setting = find_setting(name);
	unsigned int *given;
	bool is_key_file;

	if (setting == NULL) {
		strcpy(why, "unknown key");
		return false;
	}
	given = &load->given[setting - settings];
	is_key_file = setting->read == setting_read_key_file;
	if (*given != 0 && !is_key_file) {
		if (line != 0)
			snprintf(why, SETTING_WHY_BYTES, "given twice, first in line %u", *given);
		else
			strcpy(why, "given twice");
		return false;
	}
	if (*given == 0 && is_key_file)  /* those in conf are of the source before */
		setting_drop_key_files(&load->conf->jwt_key_files);
	*given = line != 0 ? line : 1;
	if (read_value(load->conf, setting, value, why))
		return true;
	if (is_key_file)
		load->has_lost_key_file = true;
	return false;
}

static void
set_from_file(void *arg, unsigned int line, const char *name, const char *value)
{
	struct load *load = arg;
	char why[SETTING_WHY_BYTES];

	if (!set(load, line, name, value, why)) {
		log_errorx("conf: %s:%u: %s: %s", load->file, line, name, why);
		load->n_faults++;
	}
}

static void
fault_in_file(void *arg, unsigned int line, const char *why)
{
	struct load *load = arg;

	log_errorx("conf: %s:%u: %s", load->file, line, why);
	load->n_faults++;
}

static void
log_unreadable(const char *file)
{
	int error = errno;
	char *why = permission_refusal(file, R_OK, NULL);

	errno = error;
	if (why != NULL)
		log_errorx("conf: %s", why);
	else
		log_error("conf: %s: cannot be read", file);
	free(why);
}

static void
load_file(struct load *load, const char *file)
{
	static const struct ini_handler handler = { set_from_file, fault_in_file };

	load->file = file != NULL ? file : CONF_DEFAULT_FILE;
	if (ini_read(load->file, &handler, load) < 0 && (file != NULL || errno != ENOENT)) {
		log_unreadable(load->file);
		load->has_lost_key_file = true;
		load->n_faults++;
	}
}

/* may_hold_password: would it be told by repeating the option? That of a key that is
 * mistyped, too. */
static bool
may_hold_password(const char *option)
{
	return strncmp(option, "upstream=", strlen("upstream=")) == 0 || strchr(option, '@') != NULL;
}

static void
load_option(struct load *load, const char *option)
{
	const char *equals = strchr(option, '=');
	char why[SETTING_WHY_BYTES];
	char *name;

	if (equals == NULL) {
		log_errorx("conf: -o %s: expected KEY=VALUE", may_hold_password(option) ? "..." : option);
		load->n_faults++;
		return;
	}
	name = mem_strndup(option, (size_t)(equals - option));
	if (!set(load, 0, name, equals + 1, why)) {
		log_errorx("conf: -o %s: %s", may_hold_password(option) ? name : option, why);
		load->n_faults++;
	}
	free(name);
}

/* settle_upstream: what of several settings hangs together. */
static void
settle_upstream(struct load *load)
{
	struct conf *conf = load->conf;

	if (conf->upstream_replicas < 0)
		conf->upstream_replicas = conf->upstream.kind == SETTING_REDIS_SENTINEL ? 1 : 0;
	if (conf->upstream.kind != SETTING_NO_UPSTREAM && conf->keep_for_s == 0 && conf->keep_rows == 0) {
		log_errorx("conf: %s: with `upstream`, keep_for or keep_rows must be above 0: Redis keeps "
		    "the messages in its memory", load->file);
		load->n_faults++;
	}
}

int
conf_load(struct conf *conf, const char *file, char *const options[], size_t n_options)
{
	struct load load = { .conf = conf };

	*conf = (struct conf){ 0 };
	for (size_t i = 0; i < N_SETTINGS; i++) {
		const struct setting *setting = &settings[i];
		char why[SETTING_WHY_BYTES];

		if (setting->preset != NULL && !read_value(conf, setting, setting->preset, why))
			fatalx("conf: %s: the default is no value: %s", setting->name, why);
	}
	load_file(&load, file);
	memset(load.given, 0, sizeof(load.given));
	for (size_t i = 0; i < n_options; i++)
		load_option(&load, options[i]);

	if (conf->jwt_key_files.n == 0 && !load.has_lost_key_file) {
		log_errorx("conf: %s: jwt_key_file is missing: it names the file with the secret, "
		    "or the public key, that tokens are checked with", load.file);
		load.n_faults++;
	}
	settle_upstream(&load);
	if (load.n_faults == 0)
		return 0;
	conf_free(conf);
	return -1;
}

const struct setting *
conf_settings(size_t *n)
{
	*n = N_SETTINGS;
	return settings;
}

char *
conf_need_restart(const struct conf *in_force, const struct conf *fresh)
{
	struct buf names = BUF_EMPTY;

	for (size_t i = 0; i < N_SETTINGS; i++) {
		const struct setting *setting = &settings[i];

		if (setting->same != NULL && !setting->same((const char *)in_force + setting->offset,
		    (const char *)fresh + setting->offset))
			buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", setting->name);
	}
	return names.len > 0 ? buf_take(&names) : NULL;
}

void
conf_free(struct conf *conf)
{
	free(conf->listen);
	free(conf->listen_group);
	free(conf->store);
	setting_drop_upstream(&conf->upstream);
	free(conf->upstream_key);
	free(conf->node);
	free(conf->jwt_alg);
	setting_drop_key_files(&conf->jwt_key_files);
	free(conf->jwt_user_claim);
	free(conf->jwt_issuer);
	free(conf->jwt_audience);
	setting_drop_origins(&conf->allow_origins);
	*conf = (struct conf){ 0 };
}
