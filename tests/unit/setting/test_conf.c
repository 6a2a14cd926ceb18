#include "tests/unit/check.h"
#include "tests/unit/capture.h"

#include "app/setting/conf.h"
#include "lib/buf.h"
#include "lib/mem.h"

enum { MAX_OPTIONS = 8 };

static struct conf conf;

/* load reads text as the file and the options, up to a NULL, behind it. */
static int
load(const char *text, const char *const *given)
{
	const char *path = capture_file("rowcast.conf", text, strlen(text), 0600);
	char *options[MAX_OPTIONS];
	size_t n = 0;
	int result;

	for (; given != NULL && given[n] != NULL; n++)
		options[n] = strdup(given[n]);
	result = conf_load(&conf, path, options, n);
	while (n > 0)
		free(options[--n]); /* what conf holds are copies */
	return result;
}

static void
loads(const char *text, const char *const *options)
{
	capture_begin();
	if (load(text, options) != 0)
		fail_msg("refused: %s", capture_end());
	assert_string_equal(capture_end(), "");
}

/* refused returns what the log says about text and options. */
static const char *
refused(const char *text, const char *const *options)
{
	const char *said;
	int result;

	capture_begin();
	result = load(text, options);
	said = capture_end();
	assert_int_equal(result, -1);
	return said;
}

/* Each line of the configuration at a time, with a key file beside it. */
static void
line_loads(const char *line)
{
	char *text = mem_printf("jwt_key_file = /k\n%s\n", line);

	loads(text, NULL);
	conf_free(&conf);
	free(text);
}

static void
line_refused(const char *line, const char *why)
{
	char *text = mem_printf("jwt_key_file = /k\n%s\n", line);
	const char *said = refused(text, NULL);

	assert_says(said, "error: conf: /tmp/rowcast-test-");
	assert_says(said, "/rowcast.conf:2: ");
	assert_says(said, why);
	assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1); /* told once */
	free(text);
}

/* host_name returns what this host is called. */
static const char *
host_name(void)
{
	static char name[256];

	assert_int_equal(gethostname(name, sizeof(name) - 1), 0);
	return name;
}

TEST(the_defaults_are_those_of_the_manual)
{
	loads("jwt_key_file = /etc/rowcast/key", NULL);
	assert_string_equal(conf.listen, "unix:/run/rowcast/rowcast.sock");
	assert_int_equal(conf.listen_mode, 0660);
	assert_null(conf.listen_group);
	assert_string_equal(conf.store, "sqlite:/var/lib/rowcast/rowcast.db");
	assert_int_equal(conf.upstream.kind, SETTING_NO_UPSTREAM);
	assert_string_equal(conf.upstream_key, "rowcast");
	assert_int_equal(conf.upstream_replicas, 0);
	assert_string_equal(conf.node, host_name());
	assert_string_equal(conf.jwt_alg, "HS256");
	assert_int_equal(conf.jwt_key_files.n, 1);
	assert_string_equal(conf.jwt_key_files.paths[0], "/etc/rowcast/key");
	assert_string_equal(conf.jwt_user_claim, "sub");
	assert_null(conf.jwt_issuer);
	assert_null(conf.jwt_audience);
	assert_int_equal(conf.n_workers, 32);
	assert_int_equal(conf.jwt_leeway_ms, 5000);
	assert_int_equal(conf.heartbeat_ms, 15000);
	assert_int_equal(conf.retry.min_ms, 2000);
	assert_int_equal(conf.retry.max_ms, 6000);
	assert_int_equal(conf.max_streams, 10000);
	assert_int_equal(conf.max_streams_per_user, 16);
	assert_int_equal(conf.max_message_bytes, 65536);
	assert_int_equal(conf.keep_for_s, 7 * 86400);
	assert_int_equal(conf.keep_rows, 1000000);
	assert_int_equal(conf.allow_origins.n, 0);
	assert_int_equal(conf.log_level, LOG_LEVEL_INFO);
	conf_free(&conf);
	assert_null(conf.listen);
	conf_free(&conf);
}

TEST(a_file_sets_every_key)
{
	loads("listen = 127.0.0.1:9000\n"
	    "listen_mode = 0600\n"
	    "listen_group = root\n"
	    "store = sqlite:/tmp/x.db\n"
	    "upstream = redis://[::1]:7000/2\n"
	    "upstream_key = app:messages\n"
	    "upstream_replicas = 2\n"
	    "node = web-1\n"
	    "jwt_alg = ES384\n"
	    "jwt_key_file = /new\n"
	    "jwt_key_file = /old\n"
	    "jwt_user_claim = user_id\n"
	    "jwt_issuer = https://id.example/\n"
	    "jwt_audience = rowcast\n"
	    "workers = 4\n"
	    "jwt_leeway = 1m\n"
	    "heartbeat = 100ms\n"
	    "retry = 1s..2s\n"
	    "max_streams = 20k\n"
	    "max_streams_per_user = 3\n"
	    "max_message = 1M\n"
	    "keep_for = 1h\n"
	    "keep_rows = 0\n"
	    "allow_origin = https://a.example  http://localhost:3000\thttps://[::1]:8443\n"
	    "log_level = debug\n", NULL);
	assert_string_equal(conf.listen, "127.0.0.1:9000");
	assert_int_equal(conf.listen_mode, 0600);
	assert_string_equal(conf.listen_group, "root");
	assert_string_equal(conf.store, "sqlite:/tmp/x.db");
	assert_int_equal(conf.upstream.kind, SETTING_REDIS);
	assert_string_equal(conf.upstream.hosts[0].name, "::1");
	assert_int_equal(conf.upstream.hosts[0].port, 7000);
	assert_int_equal(conf.upstream.db, 2);
	assert_string_equal(conf.upstream_key, "app:messages");
	assert_int_equal(conf.upstream_replicas, 2);
	assert_string_equal(conf.node, "web-1");
	assert_string_equal(conf.jwt_alg, "ES384");
	assert_int_equal(conf.jwt_key_files.n, 2);
	assert_string_equal(conf.jwt_key_files.paths[0], "/new");
	assert_string_equal(conf.jwt_key_files.paths[1], "/old");
	assert_string_equal(conf.jwt_user_claim, "user_id");
	assert_string_equal(conf.jwt_issuer, "https://id.example/");
	assert_string_equal(conf.jwt_audience, "rowcast");
	assert_int_equal(conf.n_workers, 4);
	assert_int_equal(conf.jwt_leeway_ms, 60000);
	assert_int_equal(conf.heartbeat_ms, 100);
	assert_int_equal(conf.retry.min_ms, 1000);
	assert_int_equal(conf.retry.max_ms, 2000);
	assert_int_equal(conf.max_streams, 20480);
	assert_int_equal(conf.max_streams_per_user, 3);
	assert_int_equal(conf.max_message_bytes, 1048576);
	assert_int_equal(conf.keep_for_s, 3600);
	assert_int_equal(conf.keep_rows, 0);
	assert_int_equal(conf.allow_origins.n, 3);
	assert_string_equal(conf.allow_origins.list[0], "https://a.example");
	assert_string_equal(conf.allow_origins.list[1], "http://localhost:3000");
	assert_string_equal(conf.allow_origins.list[2], "https://[::1]:8443");
	assert_int_equal(conf.log_level, LOG_LEVEL_DEBUG);
	conf_free(&conf);
}

TEST(an_option_replaces_what_the_file_says)
{
	loads("jwt_key_file = /k\nworkers = 4\njwt_issuer = i\n"
	    "allow_origin = https://a.example\n",
	    LIST("workers=7", "jwt_issuer=", "allow_origin=https://b.example"));
	assert_int_equal(conf.n_workers, 7);
	assert_null(conf.jwt_issuer);
	assert_int_equal(conf.allow_origins.n, 1);
	assert_string_equal(conf.allow_origins.list[0], "https://b.example");
	conf_free(&conf);
}

TEST(a_key_given_twice_is_told_with_both_its_lines)
{
	const char *said = refused("jwt_key_file = /k\nworkers = 4\n\njwt_issuer =\n"
	    "workers = 4\nheartbeat = never\njwt_issuer = i\nheartbeat = 5s\nworkers = 0\n", NULL);

	assert_says(said, "rowcast.conf:5: workers: given twice, first in line 2\n");
	assert_says(said, "rowcast.conf:7: jwt_issuer: given twice, first in line 4\n");
	assert_says(said, "rowcast.conf:6: heartbeat: expected a time");
	assert_says(said, "rowcast.conf:8: heartbeat: given twice, first in line 6\n");
	assert_says(said, "rowcast.conf:9: workers: given twice, first in line 2\n");
}

TEST(an_option_given_twice_is_a_fault)
{
	const char *said = refused("jwt_key_file = /k\nworkers = 4\n",
	    LIST("workers=6", "workers=6", "jwt_issuer=", "jwt_issuer="));

	assert_says(said, "conf: -o workers=6: given twice\n");
	assert_says(said, "conf: -o jwt_issuer=: given twice\n");
}

TEST(key_files_of_the_options_replace_those_of_the_file)
{
	loads("jwt_key_file = /a\njwt_key_file = /b\n", LIST("jwt_key_file=/c"));
	assert_int_equal(conf.jwt_key_files.n, 1);
	assert_string_equal(conf.jwt_key_files.paths[0], "/c");
	conf_free(&conf);

	loads("", LIST("jwt_key_file=/c", "jwt_key_file=/d=e"));
	assert_int_equal(conf.jwt_key_files.n, 2);
	assert_string_equal(conf.jwt_key_files.paths[1], "/d=e");
	conf_free(&conf);
}

TEST(three_key_files_in_one_source_are_too_many)
{
	const char *said = refused("jwt_key_file = /a\njwt_key_file = /b\njwt_key_file = /c\n", NULL);

	assert_says(said, "rowcast.conf:3: jwt_key_file: 2 key files are the most there can be\n");
}

TEST(a_missing_key_file_setting_is_said_plainly)
{
	const char *said = refused("workers = 4\n", NULL);

	assert_says(said, "rowcast.conf: jwt_key_file is missing: it names the file with the secret, "
	    "or the public key, that tokens are checked with\n");
}

TEST(every_fault_is_told_with_its_line)
{
	const char *said = refused("workers = 0\n\nwrokers = 4\noops\n",
	    LIST("heartbeat=never", "nonsense", "a=b"));

	assert_says(said, "rowcast.conf:1: workers: must be from 1 to 1024\n");
	assert_says(said, "rowcast.conf:3: wrokers: unknown key\n");
	assert_says(said, "rowcast.conf:4: expected `key = value`\n");
	assert_says(said, "conf: -o heartbeat=never: expected a time such as 500ms, 15s, 10m, 1h or 7d\n");
	assert_says(said, "conf: -o nonsense: expected KEY=VALUE\n");
	assert_says(said, "conf: -o a=b: unknown key\n");
	assert_says(said, "jwt_key_file is missing");
}

TEST(a_named_file_that_is_not_there_is_an_error)
{
	capture_begin();
	assert_int_equal(conf_load(&conf, "/nonexistent/rowcast.conf", NULL, 0), -1);
	assert_string_equal(capture_end(), "error: conf: /nonexistent/rowcast.conf: cannot be read: "
	    "No such file or directory\n");
	capture_begin();
	assert_int_equal(conf_load(&conf, "/", NULL, 0), -1);
	assert_string_equal(capture_end(), "error: conf: /: cannot be read: Is a directory\n");
}

TEST(the_default_file_may_be_missing)
{
	char option[] = "jwt_key_file=/k";
	char *options[] = { option };

	if (access(CONF_DEFAULT_FILE, F_OK) == 0)
		skip(); /* this machine has one */
	capture_begin();
	assert_int_equal(conf_load(&conf, NULL, options, 1), 0);
	assert_string_equal(capture_end(), "");
	conf_free(&conf);
	capture_begin();
	assert_int_equal(conf_load(&conf, NULL, NULL, 0), -1);
	assert_says(capture_end(), "conf: " CONF_DEFAULT_FILE ": jwt_key_file is missing");
}

TEST(numbers_keep_to_their_bounds)
{
	line_loads("workers = 1");
	line_loads("workers = 1024");
	line_refused("workers = 0", "workers: must be from 1 to 1024");
	line_refused("workers = 1025", "workers: must be from 1 to 1024");
	line_refused("workers = 99999999999999999999", "workers: must be from 1 to 1024");
	line_refused("workers = -1", "workers: expected a number such as 500, 64k or 1M");
	line_refused("workers =", "workers: expected a number");
	line_loads("max_streams = 1M");
	line_refused("max_streams = 1048577", "must be from 1 to 1048576");
	line_refused("max_streams = 0", "must be from 1 to 1048576");
	line_loads("max_streams_per_user = 1M");
	line_refused("max_streams_per_user = 0", "must be from 1 to 1048576");
	line_loads("max_message = 1");
	line_loads("max_message = 1M");
	line_refused("max_message = 1048577", "max_message: must be from 1 to 1048576");
	line_refused("max_message = 0", "max_message: must be from 1 to 1048576");
	line_loads("keep_rows = 1099511627776");
	line_refused("keep_rows = 1099511627777", "must be from 0 to 1099511627776");
}

TEST(times_keep_to_their_bounds)
{
	line_loads("jwt_leeway = 0");
	line_loads("jwt_leeway = 500ms");
	line_loads("jwt_leeway = 10m");
	line_refused("jwt_leeway = 601", "jwt_leeway: must be from 0ms to 10m");
	line_loads("heartbeat = 100ms");
	line_loads("heartbeat = 1h");
	line_refused("heartbeat = 99ms", "heartbeat: must be from 100ms to 1h");
	line_refused("heartbeat = 3601", "heartbeat: must be from 100ms to 1h");
	line_refused("heartbeat = 0", "heartbeat: must be from 100ms to 1h");
	line_refused("heartbeat = 99999999999999999d", "heartbeat: must be from 100ms to 1h");
	line_loads("keep_for = 0");
	line_loads("keep_for = 1s");
	line_loads("keep_for = 36500d");
	line_refused("keep_for = 999ms", "keep_for: must be from 1s to 36500d, or 0 for no bound");
	line_refused("keep_for = 36501d", "keep_for: must be from 1s to 36500d, or 0 for no bound");
	line_loads("retry = 10ms..1d");
	line_loads("retry = 3s");
	line_refused("retry = 9ms..1s", "retry: must be from 10ms to 1d");
	line_refused("retry = 1s..86401s", "retry: must be from 10ms to 1d");
	line_refused("retry = 6s..2s", "retry: the range begins above its end");
	line_refused("retry = 2s-6s", "retry: expected a range of times such as 2s..6s");
}

TEST(listen_is_a_unix_socket_or_a_host_and_port)
{
	char line[256];
	int length;

	line_loads("listen = unix:/a");
	line_loads("listen = localhost:1");
	line_loads("listen = 0.0.0.0:65535");
	line_loads("listen = [::1]:9000");
	line_refused("listen = unix:a", "the path of a unix socket must begin with '/'");
	line_refused("listen = unix:/", "the path of a unix socket must begin with '/'");
	line_refused("listen = unix:", "the path of a unix socket must begin with '/'");
	line_refused("listen =", "expected unix:/PATH or HOST:PORT such as 127.0.0.1:9000");
	line_refused("listen = /run/x.sock", "expected unix:/PATH or HOST:PORT");
	line_refused("listen = 9000", "expected unix:/PATH or HOST:PORT");
	line_refused("listen = :9000", "expected unix:/PATH or HOST:PORT");
	line_refused("listen = localhost:0", "expected unix:/PATH or HOST:PORT");
	line_refused("listen = localhost:65536", "expected unix:/PATH or HOST:PORT");
	line_refused("listen = localhost:http", "expected unix:/PATH or HOST:PORT");
	line_refused("listen = ::1:9000", "expected unix:/PATH or HOST:PORT");
	line_refused("listen = a b:9000", "expected unix:/PATH or HOST:PORT");
	/* sun_path takes 107 bytes and a NUL. */
	length = snprintf(line, sizeof(line), "listen = unix:/%0106d", 0);
	assert_int_equal(length, 14 + 107);
	line_loads(line);
	snprintf(line, sizeof(line), "listen = unix:/%0107d", 0);
	line_refused(line, "the path of a unix socket may have 107 bytes at most");
}

TEST(listen_mode_is_octal)
{
	line_loads("listen_mode = 666");
	line_loads("listen_mode = 0777");
	line_refused("listen_mode = 0888", "listen_mode: expected permissions in octal such as 0660");
	line_refused("listen_mode = 1777", "expected permissions in octal");
	line_refused("listen_mode = 60", "expected permissions in octal");
	line_refused("listen_mode = 00660", "expected permissions in octal");
	line_refused("listen_mode = rw-rw----", "expected permissions in octal");
	line_refused("listen_mode =", "expected permissions in octal");
}

TEST(words_are_taken_from_their_lists)
{
	static const char *const algs[] = {
		"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512",
	};
	char line[64];

	for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
		snprintf(line, sizeof(line), "jwt_alg = %s", algs[i]);
		line_loads(line);
	}
	line_refused("jwt_alg = none", "jwt_alg: expected one of HS256, HS384, HS512, RS256");
	line_refused("jwt_alg = hs256", "expected one of");
	line_refused("jwt_alg = PS256", "expected one of");
	line_refused("jwt_alg = HS256 RS256", "expected one of");
	line_refused("jwt_alg =", "expected one of");
	line_loads("log_level = error");
	line_loads("log_level = warn");
	line_refused("log_level = verbose", "log_level: expected error, warn, info or debug");
	line_refused("store = postgres://x", "store: expected sqlite:PATH");
	line_refused("store = sqlite:", "store: expected sqlite:PATH");
	line_refused("store = sqlite::memory:", "store: the store must be a file");
	line_refused("jwt_key_file =", "jwt_key_file: expected the path of a file");
}

TEST(a_claim_with_another_meaning_cannot_name_the_user)
{
	char line[512];

	line_loads("jwt_user_claim = uid");
	line_refused("jwt_user_claim =", "jwt_user_claim: expected the name of a claim, 1 to 255 bytes");
	line_refused("jwt_user_claim = exp", "jwt_user_claim: this claim does not name a user");
	line_refused("jwt_user_claim = scope", "this claim does not name a user");
	snprintf(line, sizeof(line), "jwt_user_claim = %0255d", 0);
	line_loads(line);
	snprintf(line, sizeof(line), "jwt_user_claim = %0256d", 0);
	line_refused(line, "expected the name of a claim, 1 to 255 bytes");
}

TEST(origins_look_as_browsers_send_them)
{
	static const char *const wrong[] = {
		"*", "null", "example.org", "https://", "https://*", "https://*.example.org", "://a",
		"https://a/", "https://a/path", "https://a?b", "https://a#b", "https://user@a",
		"https://A.example", "HTTPS://a", "https://a:", "https://a:0", "https://a:65536",
		"https://a:08443", "https://a:443", "http://a:80", "https:a", "https:/a", "https://[::1",
		"https://a:1:2", "1https://a",
	};
	char line[2048];
	size_t len;

	line_loads("allow_origin =");
	line_loads("allow_origin = http://a:443 https://a:80 app+x.y-z://host https://xn--bcher-kva.example");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char why[256];

		snprintf(line, sizeof(line), "allow_origin = https://ok.example %s", wrong[i]);
		snprintf(why, sizeof(why), "allow_origin: %s is not of the form scheme://host[:port], "
		    "in lower case, without a path, '*' or the scheme's own port", wrong[i]);
		line_refused(line, why);
	}
	len = (size_t)snprintf(line, sizeof(line), "allow_origin =");
	for (int i = 0; i < 64; i++)
		len += (size_t)snprintf(line + len, sizeof(line) - len, " https://a%d", i);
	line_loads(line);
	snprintf(line + len, sizeof(line) - len, " https://a64");
	line_refused(line, "allow_origin: 64 origins are the most there can be");
}

/* ---- upstream ---- */

/* upstream_loads leaves it in conf, which is to be freed. */
static void
upstream_loads(const char *value)
{
	char *text = mem_printf("jwt_key_file = /k\nupstream = %s\n", value);

	loads(text, NULL);
	free(text);
}

TEST(upstream_is_one_redis)
{
	upstream_loads("redis://127.0.0.1:6379");
	assert_int_equal(conf.upstream.kind, SETTING_REDIS);
	assert_false(conf.upstream.tls);
	assert_int_equal(conf.upstream.n_hosts, 1);
	assert_string_equal(conf.upstream.hosts[0].name, "127.0.0.1");
	assert_int_equal(conf.upstream.hosts[0].port, 6379);
	assert_null(conf.upstream.user);
	assert_null(conf.upstream.password);
	assert_int_equal(conf.upstream.db, 0);
	assert_int_equal(conf.upstream_replicas, 0);
	conf_free(&conf);

	upstream_loads("rediss://redis.example:6380/15");
	assert_true(conf.upstream.tls);
	assert_int_equal(conf.upstream.db, 15);
	conf_free(&conf);

	upstream_loads("unix:/run/redis/redis.sock");
	assert_int_equal(conf.upstream.kind, SETTING_REDIS_UNIX);
	assert_string_equal(conf.upstream.path, "/run/redis/redis.sock");
	assert_int_equal(conf.upstream.n_hosts, 0);
	conf_free(&conf);
	line_loads("upstream =");
	line_loads("upstream = redis://127.0.0.1:6379/");
}

TEST(upstream_is_what_sentinels_know)
{
	upstream_loads("redis-sentinel://app:pw@10.0.0.1:26379,[fe80::1]:26380,s3.example:1/mymaster");
	assert_int_equal(conf.upstream.kind, SETTING_REDIS_SENTINEL);
	assert_int_equal(conf.upstream.n_hosts, 3);
	assert_string_equal(conf.upstream.hosts[1].name, "fe80::1");
	assert_int_equal(conf.upstream.hosts[1].port, 26380);
	assert_string_equal(conf.upstream.hosts[2].name, "s3.example");
	assert_string_equal(conf.upstream.master, "mymaster");
	assert_string_equal(conf.upstream.user, "app");
	assert_string_equal(conf.upstream.password, "pw");
	assert_int_equal(conf.upstream_replicas, 1);
	conf_free(&conf);
	/* What is said counts, whether before or behind it. */
	loads("jwt_key_file = /k\nupstream_replicas = 0\nupstream = redis-sentinel://h:1/m\n", NULL);
	assert_int_equal(conf.upstream_replicas, 0);
	conf_free(&conf);
}

TEST(credentials_are_percent_decoded)
{
	upstream_loads("redis://us%3Aer:p%40%2f%25%C3%A4:@h:1");
	assert_string_equal(conf.upstream.user, "us:er");
	assert_string_equal(conf.upstream.password, "p@/%\xc3\xa4:");
	conf_free(&conf);
	upstream_loads("redis://:only@h:1");
	assert_null(conf.upstream.user);
	assert_string_equal(conf.upstream.password, "only");
	conf_free(&conf);
}

/* Each is told without a byte of the value, which may hold the password. */
TEST(what_is_wrong_with_upstream_is_told_without_it)
{
	static const struct { const char *value, *why; } wrong[] = {
		{ "http://zq7:zq7@h:1", "upstream: expected redis://HOST:PORT" },
		{ "zq7", "upstream: expected redis://HOST:PORT" },
		{ "redis://zq7@h:1", "USER:PASSWORD" },
		{ "redis://zq7:@h:1", "USER:PASSWORD" },
		{ "redis://u:zq7%@h:1", "percent-encoded" },
		{ "redis://u:zq7%4@h:1", "percent-encoded" },
		{ "redis://u:zq7%00@h:1", "percent-encoded" },
		{ "redis://u%zz:zq7@h:1", "percent-encoded" },
		{ "redis://u:zq/7@h:1", "in a password / is written %2F" },
		{ "redis://u:zq7@h", "expected HOST:PORT" },
		{ "redis://u:zq7@h:", "expected HOST:PORT" },
		{ "redis://u:zq7@h:0", "expected HOST:PORT" },
		{ "redis://u:zq7@h:65536", "expected HOST:PORT" },
		{ "redis://u:zq7@:1", "expected HOST:PORT" },
		{ "redis://u:zq7@h:1,i:2", "expected HOST:PORT" },
		{ "redis://u:zq7@::1:6379", "expected HOST:PORT" },
		{ "redis://u:zq7@h:1/zq7", "the number of a database" },
		{ "redis://u:zq7@h:1/-1", "the number of a database" },
		{ "redis://u:zq7@h:1/99999", "the number of a database" },
		{ "redis-sentinel://u:zq7@h:1", "the name that the Sentinels have" },
		{ "redis-sentinel://u:zq7@h:1/", "the name that the Sentinels have" },
		{ "redis-sentinel://u:zq7@h:1,/m", "expected HOST:PORT" },
		{ "redis-sentinel://u:zq7@/m", "expected HOST:PORT" },
		{ "redis-sentinel://h:1,h:2,h:3,h:4,h:5,h:6,h:7,h:8,h:9,h:10,h:11,h:12,h:13,h:14,h:15,"
		    "h:16,h:17/m", "16 Sentinels are the most" },
		{ "unix:zq7", "must begin with '/'" },
		{ "unix:/", "must begin with '/'" },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char *line = mem_printf("upstream = %s", wrong[i].value);
		char *text = mem_printf("jwt_key_file = /k\n%s\n", line);
		char *option = mem_printf("upstream=%s", wrong[i].value);
		const char *said;

		line_refused(line, wrong[i].why);
		said = refused(text, NULL);
		assert_null(strstr(said, "zq7"));
		said = refused("jwt_key_file = /k\n", LIST(option));
		assert_says(said, "conf: -o upstream: ");
		assert_says(said, wrong[i].why);
		assert_null(strstr(said, "zq7"));
		free(option);
		free(text);
		free(line);
	}
	assert_null(strstr(refused("jwt_key_file = /k\n", LIST("upsteram=redis://u:zq7@h:1")), "zq7"));
	assert_null(strstr(refused("jwt_key_file = /k\n", LIST("redis://u:zq7@h:1")), "zq7"));
}

TEST(what_goes_with_upstream_keeps_to_its_bounds)
{
	line_refused("upstream_key =", "upstream_key: expected a name of 1 to 128 printable characters");
	line_refused("upstream_key = a b", "without blanks and braces");
	line_refused("upstream_key = {a}b", "without blanks and braces");
	line_refused("upstream_key = \xc3\xa4", "printable");
	line_loads("upstream_replicas = 16");
	line_loads("upstream_replicas =");
	line_refused("upstream_replicas = 17", "upstream_replicas: must be from 0 to 16");
	line_refused("upstream_replicas = -1", "must be from 0 to 16");
	line_refused("upstream_replicas = 1k", "must be from 0 to 16");
	line_loads("node = a");
	line_refused("node = a b", "node: expected a name of at most 64 printable characters");
	line_refused("node = \x7f", "printable");
	line_refused("node = 0123456789012345678901234567890123456789012345678901234567890123"
	    "4", "at most 64");
}

TEST(with_upstream_something_bounds_the_log)
{
	const char *said = refused("jwt_key_file = /k\nupstream = redis://h:1\nkeep_for = 0\n"
	    "keep_rows = 0\n", NULL);

	assert_says(said, "with `upstream`, keep_for or keep_rows must be above 0");
	loads("jwt_key_file = /k\nupstream = redis://h:1\nkeep_for = 0\n", NULL);
	conf_free(&conf);
	loads("jwt_key_file = /k\nupstream = redis://h:1\nkeep_rows = 0\n", NULL);
	conf_free(&conf);
	loads("jwt_key_file = /k\nkeep_for = 0\nkeep_rows = 0\n", NULL);
	conf_free(&conf);
}

/* need_restart: what conf_need_restart says when only this line is added. */
static void
need_restart(const char *line, const char *keys)
{
	char *text = mem_printf("jwt_key_file = /k\n%s\n", line), *told;
	struct conf before;

	loads("jwt_key_file = /k\n", NULL);
	before = conf;
	loads(text, NULL);
	told = conf_need_restart(&before, &conf);
	if (keys == NULL)
		assert_null(told);
	else
		assert_string_equal(told != NULL ? told : "NULL", keys);
	free(told);
	conf_free(&before);
	conf_free(&conf);
	free(text);
}

TEST(a_part_of_upstream_is_a_change_of_it)
{
	static const char *const others[] = {
		"redis://u:p@h:2", "redis://u:p@i:1", "redis://u:q@h:1", "redis://v:p@h:1", "redis://:p@h:1",
		"redis://h:1", "redis://u:p@h:1/1", "rediss://u:p@h:1", "redis-sentinel://u:p@h:1/m", "unix:/h",
	};
	struct conf before;

	upstream_loads("redis://u:p@h:1");
	before = conf;
	upstream_loads("redis://u:p@h:1/0");
	assert_null(conf_need_restart(&before, &conf));
	conf_free(&conf);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		char *told;

		upstream_loads(others[i]);
		told = conf_need_restart(&before, &conf);
		assert_non_null(told);
		assert_int_equal(strncmp(told, "upstream", strlen("upstream")), 0);
		free(told);
		conf_free(&conf);
	}
	conf_free(&before);
}

TEST(what_needs_a_restart_is_named_where_its_value_changed)
{
	need_restart("listen = unix:/other", "listen");
	need_restart("listen_mode = 0600", "listen_mode");
	need_restart("listen_group = root", "listen_group");
	need_restart("store = sqlite:/other", "store");
	need_restart("upstream = redis://h:1", "upstream");
	need_restart("upstream = redis-sentinel://h:1/m", "upstream, upstream_replicas");
	need_restart("upstream_key = other", "upstream_key");
	need_restart("upstream_replicas = 1", "upstream_replicas");
	need_restart("node = another", "node");
	need_restart("workers = 4", "workers");
	need_restart("allow_origin = https://a.example", "allow_origin");
	need_restart("workers = 4\nlisten = 127.0.0.1:1\nheartbeat = 20s\nstore = sqlite:/other",
	    "listen, store, workers");
	/* The same in other words. */
	need_restart("listen = unix:/run/rowcast/rowcast.sock\nlisten_mode = 660\nlisten_group =\nworkers = 32\n"
	    "upstream =\nupstream_replicas = 0\nnode =\nallow_origin =  \nstore = sqlite:/var/lib/rowcast/rowcast.db", NULL);
	/* All that is reloaded. */
	need_restart("jwt_key_file = /l\njwt_alg = ES256\njwt_user_claim = uid\njwt_issuer = i\n"
	    "jwt_audience = a\nheartbeat = 20s\nretry = 1s\nmax_streams = 1\n"
	    "max_streams_per_user = 1\nmax_message = 1\nkeep_for = 1s\nkeep_rows = 1\n"
	    "log_level = debug", NULL);
}

TEST(listen_group_is_a_group_that_there_is)
{
	gid_t gid;

	line_loads("listen_group = root");
	line_loads("listen_group = daemon");
	line_loads("listen_group = 12345");
	line_loads("listen_group =");
	line_refused("listen_group = no-such-group", "listen_group: there is no group no-such-group\n");
	line_refused("listen_group = 12x", "there is no group 12x\n");
	line_refused("listen_group = -1", "there is no group -1\n");
	line_refused("listen_group = 4294967295", "there is no group 4294967295\n");
	line_refused("listen_group = 99999999999999999999", "there is no group 9999");
	assert_true(setting_find_group("root", &gid));
	assert_int_equal(gid, 0);
	assert_true(setting_find_group("12345", &gid));
	assert_int_equal(gid, 12345);
}

/* What the manual says of a key is what is done without it. */
TEST(the_table_names_each_key_its_default_and_its_meaning)
{
	struct buf text = BUF_EMPTY;
	struct conf without;
	size_t n;
	const struct setting *all = conf_settings(&n);
	char *told;

	assert_int_equal(n, 24);
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(all[i].meaning);

		assert_true(len > 10 && all[i].meaning[len - 1] == '.');
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(all[i].name, all[j].name);
		buf_printf(&text, "%s = %s\n", all[i].name, strcmp(all[i].name, "jwt_key_file") == 0 ? "/k"
		    : all[i].preset != NULL ? all[i].preset : "");
	}
	loads("jwt_key_file = /k\n", NULL);
	without = conf;
	told = buf_take(&text);
	loads(told, NULL);
	free(told);
	assert_null(conf_need_restart(&without, &conf));
	assert_int_equal(conf.heartbeat_ms, without.heartbeat_ms);
	assert_int_equal(conf.keep_rows, without.keep_rows);
	conf_free(&conf);
	conf_free(&without);
}

TEST(a_file_that_is_not_ours_to_read_is_told_with_whose_it_is)
{
	const char *path = capture_file("rowcast.conf", "jwt_key_file = /k\n", 18, 0000);
	uid_t us = geteuid();
	const char *said;
	int result;

	if (us == 0) {
		assert_int_equal(chmod(capture_folder_name, 0711), 0);
		assert_int_equal(seteuid(65534), 0);
	}
	capture_begin();
	result = conf_load(&conf, path, NULL, 0);
	said = capture_end();
	assert_int_equal(seteuid(us), 0);
	assert_int_equal(result, -1);
	assert_says(said, "/rowcast.conf: cannot be read: Permission denied: it belongs to ");
	assert_says(said, " with mode 0000, and this is ");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(listen_group_is_a_group_that_there_is),
	cmocka_unit_test(the_table_names_each_key_its_default_and_its_meaning),
	cmocka_unit_test(a_file_that_is_not_ours_to_read_is_told_with_whose_it_is),
	cmocka_unit_test(the_defaults_are_those_of_the_manual),
	cmocka_unit_test(a_file_sets_every_key),
	cmocka_unit_test(an_option_replaces_what_the_file_says),
	cmocka_unit_test(a_key_given_twice_is_told_with_both_its_lines),
	cmocka_unit_test(an_option_given_twice_is_a_fault),
	cmocka_unit_test(key_files_of_the_options_replace_those_of_the_file),
	cmocka_unit_test(three_key_files_in_one_source_are_too_many),
	cmocka_unit_test(a_missing_key_file_setting_is_said_plainly),
	cmocka_unit_test(every_fault_is_told_with_its_line),
	cmocka_unit_test(a_named_file_that_is_not_there_is_an_error),
	cmocka_unit_test(the_default_file_may_be_missing),
	cmocka_unit_test(numbers_keep_to_their_bounds),
	cmocka_unit_test(times_keep_to_their_bounds),
	cmocka_unit_test(listen_is_a_unix_socket_or_a_host_and_port),
	cmocka_unit_test(listen_mode_is_octal),
	cmocka_unit_test(words_are_taken_from_their_lists),
	cmocka_unit_test(a_claim_with_another_meaning_cannot_name_the_user),
	cmocka_unit_test(origins_look_as_browsers_send_them),
	cmocka_unit_test(upstream_is_one_redis),
	cmocka_unit_test(upstream_is_what_sentinels_know),
	cmocka_unit_test(credentials_are_percent_decoded),
	cmocka_unit_test(what_is_wrong_with_upstream_is_told_without_it),
	cmocka_unit_test(what_goes_with_upstream_keeps_to_its_bounds),
	cmocka_unit_test(with_upstream_something_bounds_the_log),
	cmocka_unit_test(a_part_of_upstream_is_a_change_of_it),
	cmocka_unit_test(what_needs_a_restart_is_named_where_its_value_changed),
};

RUN_TESTS(tests)
