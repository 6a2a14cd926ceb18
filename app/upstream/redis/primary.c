/* Asking Sentinels in turn. A Sentinel may be wrong for a while (cut off from the others,
 * just awake), so what it names is only where to look: whoever connects there asks for
 * its ROLE, and comes back with a doubt where that is no primary or does not serve. */

#include "app/upstream/redis/primary.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/upstream/redis/link.h"
#include "lib/mem.h"
#include "lib/random.h"

/* A Sentinel does nothing but answer: one that needs longer hangs. Picked, not tuned. */
#define ASK_US 500000

struct primary {
	const struct setting_upstream *where;
	int wake_fd;
	size_t at;               /* the Sentinel that is asked */
	struct link *link;       /* to it; NULL: none */
	char *host;              /* owned: what was named last; NULL */
};

struct primary *
primary_new(const struct setting_upstream *where, int wake_fd)
{
	struct primary *primary = mem_zalloc(sizeof(*primary));

	primary->where = where;
	primary->wake_fd = wake_fd;
	/* Not every machine the same. */
	primary->at = (size_t)random_between(0, (int64_t)where->n_hosts - 1);
	return primary;
}

void
primary_free(struct primary *primary)
{
	if (primary == NULL)
		return;
	link_close(primary->link);
	free(primary->host);
	free(primary);
}

void
primary_doubt(struct primary *primary)
{
	link_close(primary->link);
	primary->link = NULL;
	primary->at = (primary->at + 1) % primary->where->n_hosts;
}

/* take reads the address and the port from what a Sentinel has answered. */
static int
take(struct primary *primary, const struct redis_value *answer, int *port,
    char why[PRIMARY_WHY_BYTES])
{
	const char *host = redis_text(redis_at(answer, 0), NULL);
	const char *number = redis_text(redis_at(answer, 1), NULL);
	const char *name = primary->where->hosts[primary->at].name;
	int sentinel_port = primary->where->hosts[primary->at].port;

	if (redis_kind(answer) == REDIS_ERROR) {
		const char *text = redis_text(answer, NULL);

		snprintf(why, PRIMARY_WHY_BYTES, strncmp(text, "NOAUTH", 6) == 0
		    || strncmp(text, "NOPERM", 6) == 0
		    ? "the Sentinel %s:%d answers to those with a password only, which is not supported"
		    : "the Sentinel %s:%d is none: it does not know SENTINEL get-master-addr-by-name",
		    name, sentinel_port);
		return PRIMARY_UNKNOWN;
	}
	*port = number != NULL ? atoi(number) : 0;
	if (host == NULL || host[0] == '\0' || *port < 1 || *port > 65535) {
		snprintf(why, PRIMARY_WHY_BYTES, "the Sentinel %s:%d knows no master of the name %s",
		    name, sentinel_port, primary->where->master);
		return PRIMARY_UNKNOWN;
	}
	free(primary->host);
	primary->host = mem_strdup(host);
	return 0;
}

/* ask asks the Sentinel whose turn it is. */
static int
ask(struct primary *primary, mono_us deadline, int *port, char why[PRIMARY_WHY_BYTES])
{
	const struct link_place place = {
		.host = primary->where->hosts[primary->at].name,
		.port = primary->where->hosts[primary->at].port,
	};
	const char *const question[] = {
		"SENTINEL", "get-master-addr-by-name", primary->where->master,
	};
	char lost[LINK_WHY_BYTES];
	struct redis_value *answer = NULL;
	int outcome;

	if (primary->link == NULL)
		primary->link = link_open(&place, primary->wake_fd, deadline, lost);
	if (primary->link != NULL) {
		link_send(primary->link, 3, question, NULL);
		answer = link_receive(primary->link, deadline, lost);
	}
	if (answer == NULL) {
		snprintf(why, PRIMARY_WHY_BYTES, "the Sentinel %s:%d: %s", place.host, place.port, lost);
		return PRIMARY_SILENT;
	}
	outcome = take(primary, answer, port, why);
	redis_value_free(answer);
	return outcome;
}

int
primary_find(struct primary *primary, mono_us deadline, const char **host, int *port,
    char why[PRIMARY_WHY_BYTES])
{
	char silent[PRIMARY_WHY_BYTES] = "the Sentinels do not answer in time";
	bool is_known_nowhere = true;

	for (size_t i = 0; i < primary->where->n_hosts; i++) {
		mono_us now = clock_mono_us();
		int outcome;

		if (i > 0 && now >= deadline) {
			is_known_nowhere = false;
			break;
		}
		outcome = ask(primary, deadline < now + ASK_US ? deadline : now + ASK_US, port, why);
		if (outcome == 0) {
			*host = primary->host;
			return 0;
		}
		if (outcome == PRIMARY_SILENT) {
			is_known_nowhere = false;
			strcpy(silent, why);
		}
		primary_doubt(primary);
	}
	if (is_known_nowhere)
		return PRIMARY_UNKNOWN;
	strcpy(why, silent);
	return PRIMARY_SILENT;
}
