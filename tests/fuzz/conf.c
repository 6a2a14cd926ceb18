/* conf_load on any file and options, with the log's place taken: a refusal has
 * said why, an acceptance nothing. What is accepted obeys its bounds and, given
 * again as options, means the same. The input is the file up to a line "--",
 * then an option a line. */

#include "tests/fuzz/fuzz.h"

#include <inttypes.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "app/setting/conf.h"
#include "lib/buf.h"
#include "lib/log.h"

enum { MAX_OPTIONS = 32 };

static size_t n_logged;

/* ---- the log ---- */

int
log_wants(enum log_level level)
{
	return level <= LOG_LEVEL_INFO;
}

void
log_write(enum log_level level, int with_errno __attribute__((unused)), const char *format, ...)
{
	char line[8192];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	REQUIRE(level == LOG_LEVEL_ERROR && n > 0 && strncmp(line, "conf: ", 6) == 0);
	n_logged++;
}

void
log_die(int with_errno __attribute__((unused)), const char *format, ...)
{
	REQUIRE(format == NULL);
	abort();
}

/* ---- what was accepted ---- */

static void
check_conf(const struct conf *c)
{
	REQUIRE(strncmp(c->listen, "unix:/", 6) == 0 || strchr(c->listen, ':') != NULL);
	REQUIRE((c->listen_mode & ~(mode_t)0777) == 0);
	REQUIRE(strncmp(c->store, "sqlite:", 7) == 0 && c->store[7] != '\0');
	REQUIRE(strlen(c->jwt_alg) == 5 && strchr("HRE", c->jwt_alg[0]) != NULL);
	REQUIRE(c->jwt_key_files.n >= 1 && c->jwt_key_files.n <= SETTING_KEY_FILES_MAX);
	for (size_t i = 0; i < c->jwt_key_files.n; i++)
		REQUIRE(c->jwt_key_files.paths[i][0] != '\0');
	REQUIRE(c->jwt_user_claim[0] != '\0');
	REQUIRE(c->jwt_issuer == NULL || c->jwt_issuer[0] != '\0');
	REQUIRE(c->jwt_audience == NULL || c->jwt_audience[0] != '\0');
	REQUIRE(c->n_workers >= 1 && c->n_workers <= 1024);
	REQUIRE(c->jwt_leeway_ms >= 0 && c->jwt_leeway_ms <= 600 * 1000);
	REQUIRE(c->heartbeat_ms >= 100 && c->heartbeat_ms <= 3600 * 1000);
	REQUIRE(c->retry.min_ms >= 10 && c->retry.min_ms <= c->retry.max_ms);
	REQUIRE(c->retry.max_ms <= 24 * 3600 * 1000);
	REQUIRE(c->max_streams >= 1 && c->max_streams_per_user >= 1);
	REQUIRE(c->max_message_bytes >= 1 && c->max_message_bytes <= 1 << 20);
	REQUIRE(c->keep_for_s >= 0 && c->keep_rows >= 0);
	for (size_t i = 0; i < c->allow_origins.n; i++)
		REQUIRE(strstr(c->allow_origins.list[i], "://") != NULL
		    && strpbrk(c->allow_origins.list[i], " \t*") == NULL);
	REQUIRE(c->log_level <= LOG_LEVEL_DEBUG);
}

static bool
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void
check_same(const struct conf *a, const struct conf *b)
{
	REQUIRE(same(a->listen, b->listen) && same(a->store, b->store));
	REQUIRE(same(a->listen_group, b->listen_group));
	REQUIRE(same(a->jwt_alg, b->jwt_alg) && same(a->jwt_user_claim, b->jwt_user_claim));
	REQUIRE(same(a->jwt_issuer, b->jwt_issuer) && same(a->jwt_audience, b->jwt_audience));
	REQUIRE(a->listen_mode == b->listen_mode && a->n_workers == b->n_workers);
	REQUIRE(a->jwt_leeway_ms == b->jwt_leeway_ms);
	REQUIRE(a->heartbeat_ms == b->heartbeat_ms && a->retry.min_ms == b->retry.min_ms);
	REQUIRE(a->retry.max_ms == b->retry.max_ms && a->max_streams == b->max_streams);
	REQUIRE(a->max_streams_per_user == b->max_streams_per_user);
	REQUIRE(a->max_message_bytes == b->max_message_bytes && a->keep_for_s == b->keep_for_s);
	REQUIRE(a->keep_rows == b->keep_rows && a->log_level == b->log_level);
	REQUIRE(a->jwt_key_files.n == b->jwt_key_files.n && a->allow_origins.n == b->allow_origins.n);
	for (size_t i = 0; i < a->jwt_key_files.n; i++)
		REQUIRE(same(a->jwt_key_files.paths[i], b->jwt_key_files.paths[i]));
	for (size_t i = 0; i < a->allow_origins.n; i++)
		REQUIRE(same(a->allow_origins.list[i], b->allow_origins.list[i]));
}

/* ---- giving it again ---- */

/* The setting's words for the levels, in the order of enum log_level. */
static const char *const levels[] = { "error", "warn", "info", "debug" };

static size_t
write_options(const struct conf *c, char *options[])
{
	struct buf origins = BUF_EMPTY;
	char *joined;
	size_t n = 0;

	for (size_t i = 0; i < c->allow_origins.n; i++)
		buf_printf(&origins, " %s", c->allow_origins.list[i]);
	joined = buf_take(&origins);
	options[n++] = mem_printf("listen=%s", c->listen);
	options[n++] = mem_printf("listen_mode=%04o", (unsigned)c->listen_mode);
	options[n++] = mem_printf("listen_group=%s", c->listen_group != NULL ? c->listen_group : "");
	options[n++] = mem_printf("store=%s", c->store);
	options[n++] = mem_printf("jwt_alg=%s", c->jwt_alg);
	for (size_t i = 0; i < c->jwt_key_files.n; i++)
		options[n++] = mem_printf("jwt_key_file=%s", c->jwt_key_files.paths[i]);
	options[n++] = mem_printf("jwt_user_claim=%s", c->jwt_user_claim);
	options[n++] = mem_printf("jwt_issuer=%s", c->jwt_issuer != NULL ? c->jwt_issuer : "");
	options[n++] = mem_printf("jwt_audience=%s", c->jwt_audience != NULL ? c->jwt_audience : "");
	options[n++] = mem_printf("workers=%zu", c->n_workers);
	options[n++] = mem_printf("jwt_leeway=%" PRId64 "ms", c->jwt_leeway_ms);
	options[n++] = mem_printf("heartbeat=%" PRId64 "ms", c->heartbeat_ms);
	options[n++] = mem_printf("retry=%" PRId64 "ms..%" PRId64 "ms", c->retry.min_ms,
	    c->retry.max_ms);
	options[n++] = mem_printf("max_streams=%zu", c->max_streams);
	options[n++] = mem_printf("max_streams_per_user=%zu", c->max_streams_per_user);
	options[n++] = mem_printf("max_message=%zu", c->max_message_bytes);
	options[n++] = mem_printf("keep_for=%" PRId64, c->keep_for_s);
	options[n++] = mem_printf("keep_rows=%" PRId64, c->keep_rows);
	options[n++] = mem_printf("allow_origin=%s", joined);
	options[n++] = mem_printf("log_level=%s", levels[c->log_level]);
	free(joined);
	return n;
}

/* ---- loading ---- */

/* load writes the text to a file without a name and has it loaded. */
static int
load(struct conf *conf, const char *text, size_t len, char *options[], size_t n_options)
{
	static int fd = -1;
	char path[32];

	if (fd < 0)
		fd = memfd_create("conf", MFD_CLOEXEC);
	REQUIRE(fd >= 0 && ftruncate(fd, 0) == 0);
	REQUIRE(len == 0 || pwrite(fd, text, len, 0) == (ssize_t)len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n_logged = 0;
	return conf_load(conf, path, options, n_options);
}

static void
free_options(char *options[], size_t n)
{
	while (n > 0)
		free(options[--n]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *mark = size > 0 ? memmem(text, size, "\n--\n", 4) : NULL;
	size_t len = mark != NULL ? (size_t)(mark - text) : size, n = 0;
	struct input in = { mark != NULL ? mark + 4 : text + size, 0 };
	char *options[MAX_OPTIONS];
	struct conf conf, again;

	in.left = (size_t)(text + size - in.at);
	while (in.left > 0 && n < MAX_OPTIONS)
		options[n++] = input_line(&in);
	if (load(&conf, text, len, options, n) < 0) {
		REQUIRE(n_logged > 0);
		free_options(options, n);
		return 0;
	}
	REQUIRE(n_logged == 0);
	free_options(options, n);
	check_conf(&conf);
	n = write_options(&conf, options);
	REQUIRE(n <= MAX_OPTIONS && load(&again, NULL, 0, options, n) == 0);
	check_same(&conf, &again);
	free_options(options, n);
	conf_free(&again);
	conf_free(&conf);
	return 0;
}
