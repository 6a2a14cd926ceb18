/* What a log upstream is in a program that was built without one (./configure
 * --without-redis). A configuration that names one is refused before any of these is
 * called, so there is nothing to do well. */

#include <stdlib.h>

#include "app/upstream/upstream.h"
#include "lib/log.h"

bool
upstream_is_built(void)
{
	return false;
}

const char *
upstream_built_with(void)
{
	return "without Redis";
}

bool
upstream_is_possible(const struct conf *conf)
{
	if (conf->upstream.kind == SETTING_NO_UPSTREAM)
		return true;
	log_errorx("upstream: this rowcast was built without Redis: install libhiredis-dev, and "
	    "./configure and build it again");
	return false;
}

static void __attribute__((noreturn))
missing(void)
{
	fatalx("upstream: this rowcast was built without Redis");
}

struct upstream *
upstream_open(const struct conf *conf __attribute__((unused)))
{
	missing();
}

void
upstream_close(struct upstream *log __attribute__((unused)))
{
}

void
upstream_interrupt(struct upstream *log __attribute__((unused)))
{
	missing();
}

int
upstream_look(struct upstream *log __attribute__((unused)), char **what __attribute__((unused)))
{
	missing();
}

int
upstream_append(struct upstream *log __attribute__((unused)),
    struct append *appends[] __attribute__((unused)), size_t n __attribute__((unused)),
    int64_t above __attribute__((unused)), int64_t keep_for_s __attribute__((unused)),
    mono_us deadline __attribute__((unused)))
{
	missing();
}

int
upstream_forward(struct upstream *log __attribute__((unused)),
    const struct outgoing *rows __attribute__((unused)), size_t n __attribute__((unused)),
    int64_t above __attribute__((unused)), int64_t keep_for_s __attribute__((unused)),
    size_t *n_dropped __attribute__((unused)), struct idruns *ids __attribute__((unused)))
{
	missing();
}

int
upstream_read(struct upstream *log __attribute__((unused)), int64_t after __attribute__((unused)),
    int64_t anchor __attribute__((unused)), int wait_ms __attribute__((unused)),
    struct upstream_news *news __attribute__((unused)))
{
	missing();
}

int
upstream_trim(struct upstream *log __attribute__((unused)), const char *node __attribute__((unused)),
    int64_t keep_for_s __attribute__((unused)), int64_t keep_rows __attribute__((unused)),
    int64_t *n_deleted __attribute__((unused)), bool *more __attribute__((unused)))
{
	missing();
}

int
upstream_beat(struct upstream *log __attribute__((unused)), const char *node __attribute__((unused)),
    const char *copy __attribute__((unused)),
    const struct upstream_user *users __attribute__((unused)), size_t n __attribute__((unused)),
    bool is_first __attribute__((unused)))
{
	missing();
}

int
upstream_leave(struct upstream *log __attribute__((unused)), const char *node __attribute__((unused)),
    const char *copy __attribute__((unused)))
{
	missing();
}

int
upstream_nodes(struct upstream *log __attribute__((unused)),
    const struct upstream_node **nodes __attribute__((unused)), size_t *n __attribute__((unused)),
    size_t *n_users __attribute__((unused)))
{
	missing();
}

int
upstream_users(struct upstream *log __attribute__((unused)), const char *after __attribute__((unused)),
    size_t max __attribute__((unused)), const struct upstream_user **users __attribute__((unused)),
    size_t *n __attribute__((unused)))
{
	missing();
}

int
upstream_user_nodes(struct upstream *log __attribute__((unused)),
    const char *user __attribute__((unused)),
    const struct upstream_node **nodes __attribute__((unused)), size_t *n __attribute__((unused)))
{
	missing();
}

int
upstream_revoke(struct upstream *log __attribute__((unused)),
    const struct store_revocation *revocations __attribute__((unused)),
    size_t n __attribute__((unused)))
{
	missing();
}

int
upstream_revoked(struct upstream *log __attribute__((unused)),
    const struct store_revocation **revocations __attribute__((unused)),
    size_t *n __attribute__((unused)))
{
	missing();
}

int
upstream_end(struct upstream *log __attribute__((unused)),
    const struct store_end *ends __attribute__((unused)), size_t n __attribute__((unused)))
{
	missing();
}

int
upstream_ended(struct upstream *log __attribute__((unused)), int64_t after __attribute__((unused)),
    const struct store_end **ends __attribute__((unused)), size_t *n __attribute__((unused)),
    int64_t *forgotten __attribute__((unused)))
{
	missing();
}
