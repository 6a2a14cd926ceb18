/* The configuration: defaults, then a file of `key = value` lines, then -o
 * options. A value, not a service: threads read it, nobody writes it after
 * conf_load. */
#ifndef APP_SETTING_CONF_H
#define APP_SETTING_CONF_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/log.h"

/* Where serve and the other commands look without -c; absent is no error. */
#define CONF_DEFAULT_FILE SYSCONFDIR "/rowcast.conf"

enum { CONF_KEY_FILES_MAX = 2 };  /* a new key, and the old one for a grace period */

struct conf {
	char *listen;                /* "unix:PATH" or "HOST:PORT" */
	mode_t listen_mode;          /* permissions of a unix socket */
	char *store;                 /* "sqlite:PATH" */
	char *jwt_alg;               /* "HS256" ... "ES512" */
	char *jwt_key_files[CONF_KEY_FILES_MAX];
	size_t n_jwt_key_files;
	char *jwt_user_claim;
	char *jwt_issuer;            /* NULL: not checked */
	char *jwt_audience;          /* NULL: not checked */
	size_t n_workers;
	int64_t heartbeat_ms;
	int64_t retry_min_ms;        /* each stream is told a delay from this range */
	int64_t retry_max_ms;
	size_t max_streams;
	size_t max_streams_per_user;
	size_t max_message_bytes;
	int64_t keep_for_s;          /* 0: no bound */
	int64_t keep_rows;           /* 0: no bound */
	char **allow_origins;        /* n_allow_origins exact origins */
	size_t n_allow_origins;
	enum log_level log_level;
};

/* conf_load fills conf from the defaults, then from file (NULL: from
 * CONF_DEFAULT_FILE where that exists), then from the n_options strings
 * "KEY=VALUE" of options, which it copies. A key given again replaces the
 * earlier value; jwt_key_file given twice in one source is two keys.
 * 0: done, conf_free is due. -1: something was wrong; every fault was logged,
 * each with FILE:LINE or the option it stands in; nothing is left to free. */
int conf_load(struct conf *conf, const char *file, char *const options[], size_t n_options);

void conf_free(struct conf *conf);

#endif
