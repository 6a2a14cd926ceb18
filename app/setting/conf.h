/* The configuration: defaults, then a file of `key = value` lines, then -o
 * options. A value, not a service: nobody writes it after conf_load, so every
 * thread may read it. */
#ifndef APP_SETTING_CONF_H
#define APP_SETTING_CONF_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "app/setting/setting.h"
#include "lib/log.h"

/* Where serve and the other commands look without -c; absent is no error. */
#define CONF_DEFAULT_FILE SYSCONFDIR "/rowcast.conf"

struct conf {
	char *listen;                /* "unix:PATH" or "HOST:PORT" */
	mode_t listen_mode;          /* permissions of a unix socket */
	char *listen_group;          /* its group; NULL: the process's, or as the folder has it */
	char *store;                 /* "sqlite:PATH" */
	struct setting_upstream upstream;  /* the log that several machines share */
	char *upstream_key;          /* of its stream */
	int upstream_replicas;       /* 1 with Sentinel and else 0, where nothing is said */
	char *node;                  /* this machine's name among the others */
	char *jwt_alg;               /* "HS256" ... "ES512" */
	struct setting_key_files jwt_key_files;  /* at least one */
	char *jwt_user_claim;
	char *jwt_issuer;            /* NULL: not checked */
	char *jwt_audience;          /* NULL: not checked */
	int64_t jwt_leeway_ms;       /* how far ahead an issuer's clock may be */
	size_t n_workers;
	int64_t heartbeat_ms;
	struct setting_range retry;  /* each stream is told a delay from it */
	size_t max_streams;
	size_t max_streams_per_user;
	size_t max_message_bytes;
	int64_t keep_for_s;          /* 0: no bound */
	int64_t keep_rows;           /* 0: no bound */
	struct setting_origins allow_origins;
	enum log_level log_level;
};

/* conf_load fills conf from the defaults, then from file (NULL: from
 * CONF_DEFAULT_FILE where that exists), then from the n_options strings
 * "KEY=VALUE" of options, which it copies. An option replaces what the file says;
 * a key given twice in the file, or twice by options, is a fault, but for
 * jwt_key_file, which is two keys then.
 * 0: done, conf_free is due. -1: something was wrong; every fault was logged,
 * each with FILE:LINE or the option it stands in; nothing is left to free. */
int conf_load(struct conf *conf, const char *file, char *const options[], size_t n_options);

/* conf_settings lends the table of all keys, n of them: names, defaults and meanings, for
 * who prints a manual. */
const struct setting *conf_settings(size_t *n);

/* conf_need_restart names the keys whose values differ and that are read at the start
 * only, as "listen, workers", which the caller frees; NULL: there are none. */
char *conf_need_restart(const struct conf *in_force, const struct conf *fresh);

void conf_free(struct conf *conf);

#endif
