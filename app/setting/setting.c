/* The readers behind the table in conf.c: one for each kind of value. They check
 * the form of a value and its bounds, not whether a path or a host exists: opening
 * it shows that later; but a group has to be there. Any thread that owns the field;
 * nothing but the field and `why` is touched. */

#include "app/setting/setting.h"

#include <errno.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/un.h>

#include "app/setting/host.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/units.h"

/* Picked, not tuned. */
#define CLAIM_MAX_BYTES 255
#define GROUP_BYTES 65536 /* of an entry of the database: a group may have many members */
#define ORIGINS_MAX 64 /* each request compares them one by one */

/* refuse writes into why what is wrong with the value, and returns false for the
 * reader to return. */
static bool refuse(char *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool
refuse(char *why, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, SETTING_WHY_BYTES, format, ap);
	va_end(ap);
	return false;
}

static void
replace(char **string, const char *value)
{
	free(*string);
	*string = value != NULL ? mem_strdup(value) : NULL;
}

/* ---- numbers and times ---- */

static bool
is_within(const struct setting *setting, int64_t n)
{
	return (n == 0 && setting->or_zero) || (n >= setting->min && n <= setting->max);
}

static bool
read_number(const struct setting *setting, const char *value, int64_t *number, char *why)
{
	int result = units_number(value, number);

	if (result < 0 && errno != ERANGE)
		return refuse(why, "expected a number such as 500, 64k or 1M");
	if (result < 0 || !is_within(setting, *number))
		return refuse(why, "must be from %lld to %lld", (long long)setting->min,
		    (long long)setting->max);
	return true;
}

bool
setting_read_size(const struct setting *setting, void *field, const char *value, char *why)
{
	int64_t number;

	if (!read_number(setting, value, &number, why))
		return false;
	*(size_t *)field = (size_t)number;
	return true;
}

bool
setting_read_rows(const struct setting *setting, void *field, const char *value, char *why)
{
	return read_number(setting, value, field, why);
}

/* refuse_time names the bounds in the largest unit that comes out even. */
static bool
refuse_time(const struct setting *setting, char *why)
{
	static const struct { const char *name; int64_t ms; } units[] = {
		{ "d", SETTING_DAY_MS },
		{ "h", SETTING_HOUR_MS },
		{ "m", SETTING_MINUTE_MS },
		{ "s", SETTING_SECOND_MS },
		{ "ms", 1 },
	};
	enum { N_UNITS = sizeof(units) / sizeof(units[0]) };
	size_t low = setting->min == 0 ? N_UNITS - 1 : 0, high = 0;

	while (setting->min % units[low].ms != 0)
		low++;
	while (setting->max % units[high].ms != 0)
		high++;
	return refuse(why, "must be from %lld%s to %lld%s%s",
	    (long long)(setting->min / units[low].ms), units[low].name,
	    (long long)(setting->max / units[high].ms), units[high].name,
	    setting->or_zero ? ", or 0 for no bound" : "");
}

static bool
read_time(const struct setting *setting, const char *value, int64_t *time_ms, char *why)
{
	int result = units_time_ms(value, time_ms);

	if (result < 0 && errno != ERANGE)
		return refuse(why, "expected a time such as 500ms, 15s, 10m, 1h or 7d");
	if (result < 0 || !is_within(setting, *time_ms))
		return refuse_time(setting, why);
	return true;
}

bool
setting_read_ms(const struct setting *setting, void *field, const char *value, char *why)
{
	return read_time(setting, value, field, why);
}

bool
setting_read_seconds(const struct setting *setting, void *field, const char *value, char *why)
{
	int64_t time_ms;

	if (!read_time(setting, value, &time_ms, why))
		return false;
	*(int64_t *)field = time_ms / SETTING_SECOND_MS;
	return true;
}

bool
setting_read_range(const struct setting *setting, void *field, const char *value, char *why)
{
	struct setting_range *range = field;
	int64_t from_ms, to_ms;
	int result = units_range_ms(value, &from_ms, &to_ms);

	if (result < 0 && errno != ERANGE)
		return refuse(why, "expected a range of times such as 2s..6s");
	if (result < 0 || !is_within(setting, from_ms) || !is_within(setting, to_ms))
		return refuse_time(setting, why);
	if (from_ms > to_ms)
		return refuse(why, "the range begins above its end");
	range->min_ms = from_ms;
	range->max_ms = to_ms;
	return true;
}

bool
setting_read_mode(const struct setting *setting __attribute__((unused)), void *field,
    const char *value, char *why)
{
	size_t len = strlen(value);

	if (len < 3 || len > 4 || value[strspn(value, "01234567")] != '\0' ||
	    (len == 4 && value[0] != '0'))
		return refuse(why, "expected permissions in octal such as 0660");
	*(mode_t *)field = (mode_t)strtoul(value, NULL, 8);
	return true;
}

/* ---- strings ---- */

bool
setting_read_optional(const struct setting *setting __attribute__((unused)), void *field,
    const char *value, char *why __attribute__((unused)))
{
	replace(field, value[0] != '\0' ? value : NULL);
	return true;
}

bool
setting_find_group(const char *name, gid_t *gid)
{
	char *bytes = mem_alloc(GROUP_BYTES), *end;
	struct group entry, *found = NULL;
	unsigned long number = strtoul(name, &end, 10);

	if (getgrnam_r(name, &entry, bytes, GROUP_BYTES, &found) == 0 && found != NULL)
		number = found->gr_gid;
	free(bytes);
	*gid = (gid_t)number;
	/* The highest number is no group: to chown(2) it means none. */
	return found != NULL || (name[0] >= '0' && name[0] <= '9' && *end == '\0' && number < UINT32_MAX);
}

bool
setting_read_group(const struct setting *setting __attribute__((unused)), void *field,
    const char *value, char *why)
{
	gid_t gid;

	if (value[0] != '\0' && !setting_find_group(value, &gid))
		return refuse(why, "there is no group %.80s", value);
	replace(field, value[0] != '\0' ? value : NULL);
	return true;
}

bool
setting_read_listen(const struct setting *setting __attribute__((unused)), void *field,
    const char *value, char *why)
{
	const size_t path_max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
	const char *colon = strrchr(value, ':');

	if (strncmp(value, "unix:", strlen("unix:")) == 0) {
		const char *path = value + strlen("unix:");

		if (path[0] != '/' || path[1] == '\0')
			return refuse(why, "the path of a unix socket must begin with '/'");
		if (strlen(path) > path_max)
			return refuse(why, "the path of a unix socket may have %zu bytes at most",
			    path_max);
	} else if (colon == NULL || !host_is_name(value, (size_t)(colon - value)) ||
	    !host_is_port(colon + 1)) {
		return refuse(why, "expected unix:/PATH or HOST:PORT such as 127.0.0.1:9000");
	}
	replace(field, value);
	return true;
}

bool
setting_read_store(const struct setting *setting __attribute__((unused)), void *field,
    const char *value, char *why)
{
	const char *prefix = "sqlite:";

	if (strncmp(value, prefix, strlen(prefix)) != 0 || value[strlen(prefix)] == '\0')
		return refuse(why, "expected sqlite:PATH");
	/* Each handle would have a :memory: of its own. */
	if (value[strlen(prefix)] == ':')
		return refuse(why, "the store must be a file, which others can open too");
	replace(field, value);
	return true;
}

bool
setting_read_alg(const struct setting *setting __attribute__((unused)), void *field,
    const char *value, char *why)
{
	static const char *const algs[] = {
		"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512",
	};

	for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
		if (strcmp(value, algs[i]) == 0) {
			replace(field, value);
			return true;
		}
	}
	return refuse(why, "expected one of HS256, HS384, HS512, RS256, RS384, RS512, "
	    "ES256, ES384, ES512");
}

bool
setting_read_key_file(const struct setting *setting __attribute__((unused)), void *field,
    const char *value, char *why)
{
	struct setting_key_files *files = field;

	if (value[0] == '\0')
		return refuse(why, "expected the path of a file");
	if (files->n == SETTING_KEY_FILES_MAX)
		return refuse(why, "%d key files are the most there can be", SETTING_KEY_FILES_MAX);
	files->paths[files->n++] = mem_strdup(value);
	return true;
}

void
setting_drop_key_files(struct setting_key_files *files)
{
	for (size_t i = 0; i < files->n; i++) {
		free(files->paths[i]);
		files->paths[i] = NULL;
	}
	files->n = 0;
}

/* A user claim with a meaning of its own would make every token of one issuer,
 * or of one second, the same user. */
bool
setting_read_claim(const struct setting *setting __attribute__((unused)), void *field,
    const char *value, char *why)
{
	static const char *const taken[] = {
		"iss", "aud", "exp", "nbf", "iat", "topics", "scope",
	};

	if (value[0] == '\0' || strlen(value) > CLAIM_MAX_BYTES)
		return refuse(why, "expected the name of a claim, 1 to %d bytes", CLAIM_MAX_BYTES);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (strcmp(value, taken[i]) == 0)
			return refuse(why, "this claim does not name a user");
	replace(field, value);
	return true;
}

bool
setting_read_level(const struct setting *setting __attribute__((unused)), void *field,
    const char *value, char *why)
{
	static const char *const names[] = {
		[LOG_LEVEL_ERROR] = "error",
		[LOG_LEVEL_WARN] = "warn",
		[LOG_LEVEL_INFO] = "info",
		[LOG_LEVEL_DEBUG] = "debug",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(value, names[i]) == 0) {
			*(enum log_level *)field = (enum log_level)i;
			return true;
		}
	}
	return refuse(why, "expected error, warn, info or debug");
}

/* ---- origins ---- */

/* is_origin: scheme://host[:port] the way browsers write it in the Origin
 * header (RFC 6454 6.2), which is compared byte by byte: in lower case and
 * without the scheme's default port. */
static bool
is_origin(const char *origin)
{
	const char *host = strstr(origin, "://"), *port;
	size_t scheme_len, host_len;

	if (host == NULL)
		return false;
	scheme_len = (size_t)(host - origin);
	if (scheme_len == 0 || origin[0] < 'a' || origin[0] > 'z' ||
	    strspn(origin, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != scheme_len)
		return false;
	host += strlen("://");
	if (strpbrk(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != NULL)
		return false;
	host_len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
	if (host_len > strlen(host) || !host_is_name(host, host_len))
		return false;
	port = host + host_len;
	if (*port == '\0')
		return true;
	if (*port != ':' || !host_is_port(port + 1) || port[1] == '0')
		return false;
	return !(strcmp(port, ":80") == 0 && strncmp(origin, "http:", 5) == 0) &&
	    !(strcmp(port, ":443") == 0 && strncmp(origin, "https:", 6) == 0);
}

void
setting_drop_origins(struct setting_origins *origins)
{
	for (size_t i = 0; i < origins->n; i++)
		free(origins->list[i]);
	free(origins->list);
	*origins = (struct setting_origins){ 0 };
}

bool
setting_read_origins(const struct setting *setting __attribute__((unused)), void *field,
    const char *value, char *why)
{
	struct setting_origins *origins = field;
	char *copy = mem_strdup(value), *at = copy, *origin;

	setting_drop_origins(origins);
	origins->list = mem_zalloc(ORIGINS_MAX * sizeof(origins->list[0]));
	while ((origin = strsep(&at, " \t")) != NULL) {
		if (*origin == '\0')
			continue;
		if (!is_origin(origin)) {
			refuse(why, "%.80s is not of the form scheme://host[:port], in lower case, "
			    "without a path, '*' or the scheme's own port", origin);
			goto fail;
		}
		if (origins->n == ORIGINS_MAX) {
			refuse(why, "%d origins are the most there can be", ORIGINS_MAX);
			goto fail;
		}
		origins->list[origins->n++] = mem_strdup(origin);
	}
	free(copy);
	return true;

fail:
	free(copy);
	return false;
}

/* ---- is it the same? ---- */

bool
setting_same_size(const void *a, const void *b)
{
	return *(const size_t *)a == *(const size_t *)b;
}

bool
setting_same_mode(const void *a, const void *b)
{
	return *(const mode_t *)a == *(const mode_t *)b;
}

bool
setting_same_string(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b) == 0;
}

bool
setting_same_optional(const void *a, const void *b)
{
	const char *one = *(char *const *)a, *other = *(char *const *)b;

	return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

bool
setting_same_origins(const void *a, const void *b)
{
	const struct setting_origins *one = a, *other = b;

	if (one->n != other->n)
		return false;
	for (size_t i = 0; i < one->n; i++)
		if (strcmp(one->list[i], other->list[i]) != 0)
			return false;
	return true;
}
