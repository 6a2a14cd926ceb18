/* Where commands publish: into the table, as any other program may, with a writing handle
 * of the store; or straight to the log, where several machines share one: the ids are known
 * then, and no copy has to be here. */

#include "app/command/outlet.h"

#include "app/publish/writer.h"
#include "app/upstream/upstream.h"
#include "lib/clock.h"
#include "lib/log.h"

int
outlet_open(struct outlet *outlet, const char *command, const struct conf *conf)
{
	*outlet = (struct outlet){ .command = command, .keep_for_s = conf->keep_for_s };
	if (conf->upstream.kind != SETTING_NO_UPSTREAM)
		outlet->log = upstream_open(conf);
	else
		outlet->store = store_open(conf->store, STORE_OWNER);
	return outlet->log != NULL || outlet->store != NULL ? 0 : -1;
}

void
outlet_close(struct outlet *outlet)
{
	upstream_close(outlet->log);
	store_close(outlet->store);
}

size_t
outlet_group(const struct outlet *outlet, size_t n)
{
	return outlet->log != NULL && n > WRITER_GROUP_MESSAGES ? WRITER_GROUP_MESSAGES : n;
}

int
outlet_commit(struct outlet *outlet, struct append *appends[], size_t n)
{
	static const char *const sentences[] = {
		[UPSTREAM_AWAY] = "upstream cannot be reached: nothing was stored",
		[UPSTREAM_UNKNOWN] = "upstream did not answer: it is not known whether the last"
		    " messages were stored",
		[UPSTREAM_FULL] = "upstream has no room: nothing was stored",
		[UPSTREAM_REFUSED] = "upstream does not take it: nothing was stored",
	};
	int rc;

	if (outlet->store != NULL)
		return store_append(outlet->store, appends, n) != 0 ? -1 : 0;
	rc = upstream_append(outlet->log, appends, n, 0, outlet->keep_for_s,
	    clock_mono_in_ms(WRITER_PATIENCE_MS));
	if (rc > 0)
		log_errorx("%s: %s", outlet->command, sentences[rc]);
	return rc == 0 || rc == UPSTREAM_UNKNOWN ? rc : -1;
}
