/* The readers of what concerns the log that several machines share. A value of
 * `upstream` may hold a password: what is wrong with one is said without a byte of it. */

#include "app/setting/setting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/setting/host.h"
#include "lib/mem.h"

/* Picked, not tuned. */
#define KEY_MAX_BYTES 128
#define NODE_MAX_BYTES 64    /* a host's name has no more */
#define DB_MAX 65535
#define MASTER_MAX_BYTES 128
#define REPLICAS_MAX 16

static bool
refuse(char *why, const char *what)
{
	snprintf(why, SETTING_WHY_BYTES, "%s", what);
	return false;
}

/* ---- upstream ---- */

void
setting_drop_upstream(struct setting_upstream *upstream)
{
	for (size_t i = 0; i < upstream->n_hosts; i++)
		free(upstream->hosts[i].name);
	free(upstream->path);
	free(upstream->master);
	free(upstream->user);
	free(upstream->password);
	*upstream = (struct setting_upstream){ 0 };
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* decode returns len bytes of text, percent-decoded; NULL: it is not encoded well, or has
 * a NUL. */
static char *
decode(const char *text, size_t len)
{
	char *decoded = mem_alloc(len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] != '%') {
			decoded[n++] = text[i];
			continue;
		}
		if (len - i < 3 || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0)
			goto fail;
		decoded[n] = (char)(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
		if (decoded[n++] == '\0')
			goto fail;
		i += 2;
	}
	decoded[n] = '\0';
	return decoded;

fail:
	free(decoded);
	return NULL;
}

static bool
read_credentials(struct setting_upstream *upstream, const char *text, size_t len, char *why)
{
	const char *colon = memchr(text, ':', len);
	size_t user_len = colon != NULL ? (size_t)(colon - text) : len;

	if (colon == NULL || user_len + 1 == len)
		return refuse(why, "before the @ stands USER:PASSWORD, or :PASSWORD for Redis's default user");
	upstream->user = user_len > 0 ? decode(text, user_len) : NULL;
	upstream->password = decode(colon + 1, len - user_len - 1);
	if ((user_len > 0 && upstream->user == NULL) || upstream->password == NULL)
		return refuse(why, "user or password are not percent-encoded: a % is written %25");
	return true;
}

/* read_host reads one HOST:PORT. */
static bool
read_host(struct setting_upstream *upstream, const char *text, size_t len, char *why)
{
	char *copy = mem_strndup(text, len), *colon = strrchr(copy, ':');
	bool is_right = colon != NULL && host_is_name(copy, (size_t)(colon - copy))
	    && host_is_port(colon + 1);

	if (is_right) {
		bool in_brackets = copy[0] == '[';
		size_t name_len = (size_t)(colon - copy) - (in_brackets ? 2 : 0);

		upstream->hosts[upstream->n_hosts].name = mem_strndup(copy + in_brackets, name_len);
		upstream->hosts[upstream->n_hosts++].port = (int)strtol(colon + 1, NULL, 10);
	}
	free(copy);
	return is_right || refuse(why, "expected HOST:PORT, such as 10.0.0.1:6379 or [::1]:6379; "
	    "in a password / is written %2F and @ %40");
}

/* read_hosts reads those that are separated by commas. */
static bool
read_hosts(struct setting_upstream *upstream, const char *text, size_t len, char *why)
{
	const char *end = text + len;

	for (;;) {
		const char *comma = memchr(text, ',', (size_t)(end - text));
		const char *stop = comma != NULL ? comma : end;

		if (upstream->n_hosts == SETTING_HOSTS_MAX) {
			snprintf(why, SETTING_WHY_BYTES, "%d Sentinels are the most there can be",
			    SETTING_HOSTS_MAX);
			return false;
		}
		if (!read_host(upstream, text, (size_t)(stop - text), why))
			return false;
		if (comma == NULL)
			return true;
		text = comma + 1;
	}
}

static bool
read_db(struct setting_upstream *upstream, const char *text, char *why)
{
	size_t len = strlen(text);
	long db = strtol(text, NULL, 10);

	if (len == 0 || len > 5 || text[strspn(text, "0123456789")] != '\0' || db > DB_MAX)
		return refuse(why, "behind the / stands the number of a database, such as /0");
	upstream->db = (int)db;
	return true;
}

static bool
is_printable(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

static bool
read_master(struct setting_upstream *upstream, const char *text, char *why)
{
	if (text != NULL && strlen(text) <= MASTER_MAX_BYTES)
		upstream->master = decode(text, strlen(text));
	if (upstream->master == NULL || upstream->master[0] == '\0' || !is_printable(upstream->master))
		return refuse(why, "behind the last / stands the name that the Sentinels have for the "
		    "primary, such as /mymaster");
	return true;
}

/* read_url reads what stands behind the scheme. */
static bool
read_url(struct setting_upstream *upstream, const char *rest, char *why)
{
	const char *slash = strchr(rest, '/');
	size_t len = slash != NULL ? (size_t)(slash - rest) : strlen(rest);
	const char *at = memrchr(rest, '@', len);

	if (at != NULL) {
		if (!read_credentials(upstream, rest, (size_t)(at - rest), why))
			return false;
		len -= (size_t)(at + 1 - rest);
		rest = at + 1;
	}
	if (upstream->kind == SETTING_REDIS_SENTINEL)
		return read_hosts(upstream, rest, len, why)
		    && read_master(upstream, slash != NULL ? slash + 1 : NULL, why);
	return read_host(upstream, rest, len, why)
	    && (slash == NULL || slash[1] == '\0' || read_db(upstream, slash + 1, why));
}

static bool
read_path(struct setting_upstream *upstream, const char *path, char *why)
{
	const size_t path_max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

	if (path[0] != '/' || path[1] == '\0')
		return refuse(why, "the path of a unix socket must begin with '/'");
	if (strlen(path) > path_max) {
		snprintf(why, SETTING_WHY_BYTES, "the path of a unix socket may have %zu bytes at most",
		    path_max);
		return false;
	}
	upstream->path = mem_strdup(path);
	return true;
}

bool
setting_read_upstream(const struct setting *setting __attribute__((unused)), void *field,
    const char *value, char *why)
{
	static const struct {
		const char *scheme;
		enum setting_upstream_kind kind;
		bool tls;
	} schemes[] = {
		{ "redis://", SETTING_REDIS, false },
		{ "rediss://", SETTING_REDIS, true },
		{ "redis-sentinel://", SETTING_REDIS_SENTINEL, false },
		{ "unix:", SETTING_REDIS_UNIX, false },
	};
	struct setting_upstream *upstream = field;

	setting_drop_upstream(upstream);
	if (value[0] == '\0')
		return true;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t len = strlen(schemes[i].scheme);

		if (strncmp(value, schemes[i].scheme, len) != 0)
			continue;
		upstream->kind = schemes[i].kind;
		upstream->tls = schemes[i].tls;
		return upstream->kind == SETTING_REDIS_UNIX ? read_path(upstream, value + len, why)
		    : read_url(upstream, value + len, why);
	}
	return refuse(why, "expected redis://HOST:PORT, rediss://HOST:PORT, unix:/PATH or "
	    "redis-sentinel://HOST:PORT,HOST:PORT/MASTER");
}

static bool
is_same(const char *one, const char *other)
{
	return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

bool
setting_same_upstream(const void *a, const void *b)
{
	const struct setting_upstream *one = a, *other = b;

	if (one->kind != other->kind || one->tls != other->tls || one->n_hosts != other->n_hosts
	    || one->db != other->db || !is_same(one->path, other->path)
	    || !is_same(one->master, other->master) || !is_same(one->user, other->user)
	    || !is_same(one->password, other->password))
		return false;
	for (size_t i = 0; i < one->n_hosts; i++)
		if (one->hosts[i].port != other->hosts[i].port
		    || strcmp(one->hosts[i].name, other->hosts[i].name) != 0)
			return false;
	return true;
}

/* ---- what goes with it ---- */

static void
replace(char **string, char *owned)
{
	free(*string);
	*string = owned;
}

/* Braces have a meaning in Redis: what stands in them says on which machine of a Cluster
 * a key lies, and rowcast puts the whole key into them for all else that it keeps. */
bool
setting_read_upstream_key(const struct setting *setting __attribute__((unused)), void *field,
    const char *value, char *why)
{
	if (value[0] == '\0' || strlen(value) > KEY_MAX_BYTES || !is_printable(value)
	    || strpbrk(value, "{}") != NULL) {
		snprintf(why, SETTING_WHY_BYTES, "expected a name of 1 to %d printable characters, "
		    "without blanks and braces", KEY_MAX_BYTES);
		return false;
	}
	replace(field, mem_strdup(value));
	return true;
}

bool
setting_read_replicas(const struct setting *setting __attribute__((unused)), void *field,
    const char *value, char *why)
{
	size_t len = strlen(value);

	if (len == 0) {
		*(int *)field = -1;
		return true;
	}
	if (len > 2 || value[strspn(value, "0123456789")] != '\0' || atoi(value) > REPLICAS_MAX) {
		snprintf(why, SETTING_WHY_BYTES, "must be from 0 to %d, or empty: 1 with Sentinel, else 0",
		    REPLICAS_MAX);
		return false;
	}
	*(int *)field = atoi(value);
	return true;
}

/* host_name returns what this host is called, or something like it. */
static char *
host_name(void)
{
	char name[NODE_MAX_BYTES + 1] = "";

	if (gethostname(name, sizeof(name)) < 0 || name[0] == '\0')
		strcpy(name, "localhost");
	name[sizeof(name) - 1] = '\0';
	for (char *at = name; *at != '\0'; at++)
		if (*at <= ' ' || *at > '~')
			*at = '-';
	return mem_strdup(name);
}

bool
setting_read_node(const struct setting *setting __attribute__((unused)), void *field,
    const char *value, char *why)
{
	if (strlen(value) > NODE_MAX_BYTES || !is_printable(value)) {
		snprintf(why, SETTING_WHY_BYTES, "expected a name of at most %d printable characters, "
		    "without blanks; empty: the host's name", NODE_MAX_BYTES);
		return false;
	}
	replace(field, value[0] != '\0' ? mem_strdup(value) : host_name());
	return true;
}

bool
setting_same_int(const void *a, const void *b)
{
	return *(const int *)a == *(const int *)b;
}
