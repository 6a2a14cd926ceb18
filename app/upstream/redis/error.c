/* Errors as Redis 6 and 7 word them: the first word says which kind, as far as there is one;
 * all the others begin with ERR. */

#include "app/upstream/redis/error.h"

#include <stdio.h>
#include <string.h>

#include "app/upstream/upstream.h"

static const struct {
	const char *begins;
	int outcome;
	bool leaves;
	const char *why;
} errors[] = {
	/* These pass: another one is the primary, or this one not yet. */
	{ "READONLY", UPSTREAM_AWAY, true, "is no longer the primary" },
	{ "UNBLOCKED", UPSTREAM_AWAY, true, "is no longer the primary" },
	{ "ERR WAIT cannot be used with replica", UPSTREAM_AWAY, true, "is no longer the primary" },
	{ "LOADING", UPSTREAM_AWAY, true, "is loading its data" },
	{ "MASTERDOWN", UPSTREAM_AWAY, true, "is a replica that has lost its primary" },
	{ "NOREPLICAS", UPSTREAM_AWAY, true,
	    "has too few replicas to take anything (min-replicas-to-write)" },
	{ "BUSY ", UPSTREAM_AWAY, true, "is busy with somebody's script" },
	{ "ERR max number of clients", UPSTREAM_AWAY, true,
	    "has as many clients as it takes (maxclients)" },
	{ "OOM", UPSTREAM_FULL, false, "its memory is full (maxmemory): nothing is stored" },
	{ "MISCONF", UPSTREAM_FULL, false, "it takes nothing since it cannot write to its disk "
	    "(MISCONF): its own log says why" },
	/* With these a connection has to begin anew. */
	{ "NOAUTH", UPSTREAM_REFUSED, true, "it asks for a password: `upstream` takes one, as in "
	    "redis://USER:PASSWORD@HOST:PORT" },
	{ "WRONGPASS", UPSTREAM_REFUSED, true, "it does not know the user and password of `upstream`" },
	{ "ERR invalid password", UPSTREAM_REFUSED, true, "it does not know the password of `upstream`" },
	{ "ERR AUTH", UPSTREAM_REFUSED, true, "`upstream` has a password, but its default user has "
	    "none: name a user, or leave the password out" },
	{ "ERR Client sent AUTH", UPSTREAM_REFUSED, true, "`upstream` has a password, but it has none: "
	    "leave it out" },
	{ "ERR DB ", UPSTREAM_REFUSED, true, "it has no database of the number that `upstream` names" },
	{ "DENIED", UPSTREAM_REFUSED, true, "it talks to its own machine only, since it has no password "
	    "(protected-mode)" },
	{ "WRONGTYPE", UPSTREAM_REFUSED, false, "under `upstream_key`, or one of the keys beside it, "
	    "lies what is not rowcast's" },
	{ "MOVED ", UPSTREAM_REFUSED, false, "it is a Redis Cluster, of which one stream would use one "
	    "machine: rowcast takes a primary with replicas, and Sentinel" },
	{ "CROSSSLOT", UPSTREAM_REFUSED, false, "it is a Redis Cluster: rowcast takes a primary with "
	    "replicas, and Sentinel" },
	{ "CLUSTERDOWN", UPSTREAM_REFUSED, false, "it is a Redis Cluster: rowcast takes a primary with "
	    "replicas, and Sentinel" },
};

static bool
begins(const char *text, const char *word)
{
	return strncmp(text, word, strlen(word)) == 0;
}

/* is: does the error begin so? One that ended a script before Redis 7 stands in the middle,
 * behind a minus. */
static bool
is(const char *text, const char *word)
{
	const char *minus = text;

	if (begins(text, word))
		return true;
	while ((minus = strchr(minus + 1, '-')) != NULL)
		if (begins(minus + 1, word))
			return true;
	return false;
}

/* tell_permission: Redis says which command in quotes; what else it says may hold the
 * user's name. */
static void
tell_permission(const char *text, char why[ERROR_WHY_BYTES])
{
	const char *quoted = is(text, "NOPERM") ? strchr(text, '\'') : NULL;
	size_t len = quoted != NULL ? strcspn(quoted + 1, "'") : 0;
	bool is_command = len > 0 && len < 40;

	snprintf(why, ERROR_WHY_BYTES, "the user of `upstream` may not do %.*s: rowcast-upstream(7) "
	    "has the line that gives it what rowcast needs (ACL SETUSER)",
	    is_command ? (int)len : 80, is_command ? quoted + 1
	    : "all that it has to, or not with this `upstream_key`");
}

int
error_read(const char *text, char why[ERROR_WHY_BYTES], bool *leaves)
{
	*leaves = false;
	if (is(text, "NOPERM") || is(text, "ERR The user executing the script can't")) {
		tell_permission(text, why);
		return UPSTREAM_REFUSED;
	}
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (is(text, errors[i].begins)) {
			snprintf(why, ERROR_WHY_BYTES, "%s", errors[i].why);
			*leaves = errors[i].leaves;
			return errors[i].outcome;
		}
	snprintf(why, ERROR_WHY_BYTES, "it answers: %.200s", text);
	return UPSTREAM_REFUSED;
}
