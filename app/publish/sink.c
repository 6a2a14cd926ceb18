/* What is the same for each kind of sink (sink.h): that it fails, and the retention that
 * any thread may change. */

#include "app/publish/sink.h"

int
sink_append(struct sink *sink, struct append *appends[], size_t n, mono_us deadline)
{
	int outcome = sink->kind->append(sink, appends, n, deadline);

	atomic_store(&sink->failing, outcome != 0);
	return outcome;
}

const char *
sink_sentence(const struct sink *sink, int outcome)
{
	return sink->kind->sentence(outcome);
}

enum failure
sink_failure(const struct sink *sink, int outcome)
{
	return sink->kind->failure(outcome);
}

bool
sink_is_for_all(const struct sink *sink, int outcome)
{
	return sink->kind->is_for_all(outcome);
}

void
sink_tend(struct sink *sink)
{
	sink->kind->tend(sink);
}

mono_us
sink_next(struct sink *sink)
{
	return sink->kind->next(sink);
}

void
sink_reload(struct sink *sink, const struct conf *conf)
{
	atomic_store(&sink->keep_for_s, conf->keep_for_s);
	atomic_store(&sink->keep_rows, conf->keep_rows);
}

void
sink_close(struct sink *sink)
{
	sink->kind->close(sink);
}
