/* A setting: one key of the configuration, and how its value is read. The readers
 * know only the field that they fill, not the struct it stands in. Any thread, as
 * long as it owns the field; none of them waits. */
#ifndef APP_SETTING_SETTING_H
#define APP_SETTING_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SETTING_SECOND_MS INT64_C(1000)
#define SETTING_MINUTE_MS (60 * SETTING_SECOND_MS)
#define SETTING_HOUR_MS (60 * SETTING_MINUTE_MS)
#define SETTING_DAY_MS (24 * SETTING_HOUR_MS)

enum {
	SETTING_WHY_BYTES = 320,
	SETTING_KEY_FILES_MAX = 2,  /* a new key, and the old one for a grace period */
	SETTING_HOSTS_MAX = 16,     /* Sentinels; picked, not tuned */
};

/* Fields of more than one part. All zero: empty. */

struct setting_range {
	int64_t min_ms, max_ms;     /* min_ms is not above max_ms */
};

struct setting_key_files {
	char *paths[SETTING_KEY_FILES_MAX];  /* owned, n of them */
	size_t n;
};

struct setting_origins {
	char **list;                /* owned: n exact origins */
	size_t n;
};

/* Where the log is that several machines share. */
struct setting_upstream {
	enum setting_upstream_kind {
		SETTING_NO_UPSTREAM,
		SETTING_REDIS,           /* redis://, rediss://: hosts[0] */
		SETTING_REDIS_UNIX,      /* unix:PATH */
		SETTING_REDIS_SENTINEL,  /* redis-sentinel://: hosts, which know where `master` is */
	} kind;
	bool tls;
	struct {
		char *name;             /* owned: a host's name or address, without brackets */
		int port;
	} hosts[SETTING_HOSTS_MAX];
	size_t n_hosts;
	char *path;                 /* owned: of a unix socket; NULL where there is none */
	char *master;               /* owned: the name that the Sentinels know; NULL */
	char *user, *password;      /* owned: Redis's; NULL: none. In no log and no error text */
	int db;                     /* 0 where none is named */
};

struct setting;

/* setting_fn puts value into its field, in place of what was there. false: why,
 * which has room for SETTING_WHY_BYTES, says what is wrong with the value; the
 * field is unspecified, but can be freed. */
typedef bool setting_fn(const struct setting *setting, void *field, const char *value, char *why);

/* setting_same_fn: are the values in these two fields of a setting the same? */
typedef bool setting_same_fn(const void *a, const void *b);

struct setting {
	const char *name;
	const char *preset;  /* the default, as one would write it; NULL: none, it begins as empty */
	const char *meaning; /* for the manual: a phrase, or some sentences */
	setting_fn *read;
	size_t offset;       /* of the field in the struct that holds it */
	int64_t min, max;    /* of a number; of a time in milliseconds */
	bool or_zero;        /* 0 is allowed as well: no bound */
	setting_same_fn *same;  /* finds a change that needs a restart; NULL: all are reloaded */
};

/* Numbers and times (lib/units.h). */
setting_fn setting_read_size;     /* size_t */
setting_fn setting_read_rows;     /* int64_t */
setting_fn setting_read_ms;       /* int64_t, milliseconds */
setting_fn setting_read_seconds;  /* int64_t, what is below a second is dropped */
setting_fn setting_read_range;    /* struct setting_range */
setting_fn setting_read_mode;     /* mode_t, three or four octal digits */

/* Strings. */
setting_fn setting_read_optional; /* char *, NULL where the value is empty */
setting_fn setting_read_listen;   /* unix:/PATH or HOST:PORT */
setting_fn setting_read_store;    /* sqlite:PATH */
setting_fn setting_read_alg;      /* HS, RS or ES with 256, 384 or 512 */
setting_fn setting_read_key_file; /* struct setting_key_files: adds one to it */
setting_fn setting_read_claim;    /* a claim that can name a user */
setting_fn setting_read_origins;  /* struct setting_origins, separated by blanks */
setting_fn setting_read_level;    /* enum log_level */
setting_fn setting_read_group;    /* char *, a group that there is, or its number; NULL where empty */

/* The log that several machines share; in upstream.c. */
setting_fn setting_read_upstream;      /* struct setting_upstream */
setting_fn setting_read_upstream_key;  /* a Redis key, printable, without blanks and braces */
setting_fn setting_read_replicas;      /* int; empty: -1, which means as `upstream` says */
setting_fn setting_read_node;          /* a machine's name; empty: the host's */
setting_same_fn setting_same_upstream;
setting_same_fn setting_same_int;
void setting_drop_upstream(struct setting_upstream *upstream);

/* For the fields of these readers: size_t, mode_t, a string (never NULL), origins. */
setting_same_fn setting_same_size;
setting_same_fn setting_same_mode;
setting_same_fn setting_same_string;
setting_same_fn setting_same_optional;  /* a string or NULL */
setting_same_fn setting_same_origins;

/* setting_find_group sets *gid to the group of that name, or of that number. false: there
 * is none. */
bool setting_find_group(const char *name, gid_t *gid);

/* Each frees what the reader of that list has put into it, and leaves it empty. */
void setting_drop_key_files(struct setting_key_files *files);
void setting_drop_origins(struct setting_origins *origins);

#endif
