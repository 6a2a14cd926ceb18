#include "tests/bench/options.h"

#include <arpa/inet.h>
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/bench/sse.h"
#include "tests/bench/written.h"

enum { LENGTH_BYTES = 60 << 20 }; /* below server.max-request-size of conf/lighttpd.conf */

static const char usage_text[] =
    "usage: load MODE [option]...\n"
    "\n"
    "modes   lone load users bulk post\n"
    "                               traffic; they differ in their defaults only\n"
    "        hold                   opens the streams and holds them for --seconds\n"
    "        foreign                inserts into --db by an own connection\n"
    "        xadd                   adds to --redis by an own connection\n"
    "        storm                  all streams cut, --rows published, all back\n"
    "        replay                 streams that replay --rows rows each\n"
    "        amid                   --rate broadcasts a second, and amid them --single-rate\n"
    "                               messages for one of --users more each\n"
    "        answers                --answers texts, written a token at a time by --way,\n"
    "                               read by the streams in turn\n"
    "        fill                   --rows rows into --db, for replay: --count for each\n"
    "                               of --users, the newest or (--spread) among others\n"
    "\n"
    "--get HOST:PORT  --get-path T  --get-header T     the streams\n"
    "--post HOST:PORT --post-path T --post-header T    the publishers\n"
    "         --get and --post may be repeated: several machines, by turns\n"
    "--back HOST:PORT     storm: where the streams come back to\n"
    "--redis HOST:PORT    --redis-login USER:PASSWORD   --redis-key K   --to USER\n"
    "--first N            number of the first message: what two clients send at a time\n"
    "                     must not be taken for one another's\n"
    "--body T             what is posted, once for each of --lines messages\n"
    "--tokens FILE        one a line: the token of user 0, 1, ...\n"
    "--streams N          --publishers N      --unfinished N     --lines N\n"
    "--size BYTES         --seconds S         --warmup S         --limit S\n"
    "--opening N          --rows N            --users N          --count N\n"
    "                     lone load users bulk: --count messages from the first on, then the end\n"
    "--after ID           --db FILE           --pid NAME=PID     (repeatable)\n"
    "--answers N          --rate TOKENS a second of each; 0: as fast as they are taken\n"
    "--length BYTES       that a body announces, at most; then comes the next\n"
    "--single-rate N      --single-body T      amid: messages for one user a second\n"
    "--way follow|insert  bodies of POST that stay open, or rows by an own connection\n"
    "In a template T {i} is the user's number, {token} the token, {a} the\n"
    "answer that is read or written, {msg} the message.\n";

enum option_key {
	KEY_GET = 256, KEY_GET_PATH, KEY_GET_HEADER, KEY_POST, KEY_POST_PATH, KEY_POST_HEADER, KEY_BODY,
	KEY_TOKENS, KEY_STREAMS, KEY_PUBLISHERS, KEY_UNFINISHED, KEY_LINES, KEY_SIZE, KEY_SECONDS, KEY_WARMUP,
	KEY_LIMIT, KEY_OPENING, KEY_ROWS, KEY_USERS, KEY_COUNT, KEY_AFTER, KEY_DB, KEY_SPREAD, KEY_PID, KEY_BACK, KEY_FIRST, KEY_REDIS,
	KEY_REDIS_LOGIN, KEY_REDIS_KEY, KEY_TO, KEY_ANSWERS, KEY_RATE, KEY_LENGTH, KEY_WAY, KEY_SINGLE_RATE,
	KEY_SINGLE_BODY, KEY_HELP
};

static const struct option long_options[] = {
	{ "get", required_argument, NULL, KEY_GET },
	{ "get-path", required_argument, NULL, KEY_GET_PATH },
	{ "get-header", required_argument, NULL, KEY_GET_HEADER },
	{ "post", required_argument, NULL, KEY_POST },
	{ "post-path", required_argument, NULL, KEY_POST_PATH },
	{ "post-header", required_argument, NULL, KEY_POST_HEADER },
	{ "body", required_argument, NULL, KEY_BODY },
	{ "tokens", required_argument, NULL, KEY_TOKENS },
	{ "streams", required_argument, NULL, KEY_STREAMS },
	{ "publishers", required_argument, NULL, KEY_PUBLISHERS },
	{ "unfinished", required_argument, NULL, KEY_UNFINISHED },
	{ "lines", required_argument, NULL, KEY_LINES },
	{ "size", required_argument, NULL, KEY_SIZE },
	{ "seconds", required_argument, NULL, KEY_SECONDS },
	{ "warmup", required_argument, NULL, KEY_WARMUP },
	{ "limit", required_argument, NULL, KEY_LIMIT },
	{ "opening", required_argument, NULL, KEY_OPENING },
	{ "rows", required_argument, NULL, KEY_ROWS },
	{ "users", required_argument, NULL, KEY_USERS },
	{ "count", required_argument, NULL, KEY_COUNT },
	{ "after", required_argument, NULL, KEY_AFTER },
	{ "db", required_argument, NULL, KEY_DB },
	{ "spread", no_argument, NULL, KEY_SPREAD },
	{ "back", required_argument, NULL, KEY_BACK },
	{ "first", required_argument, NULL, KEY_FIRST },
	{ "redis", required_argument, NULL, KEY_REDIS },
	{ "redis-login", required_argument, NULL, KEY_REDIS_LOGIN },
	{ "redis-key", required_argument, NULL, KEY_REDIS_KEY },
	{ "to", required_argument, NULL, KEY_TO },
	{ "answers", required_argument, NULL, KEY_ANSWERS },
	{ "rate", required_argument, NULL, KEY_RATE },
	{ "length", required_argument, NULL, KEY_LENGTH },
	{ "way", required_argument, NULL, KEY_WAY },
	{ "single-rate", required_argument, NULL, KEY_SINGLE_RATE },
	{ "single-body", required_argument, NULL, KEY_SINGLE_BODY },
	{ "pid", required_argument, NULL, KEY_PID },
	{ "help", no_argument, NULL, KEY_HELP },
	{ NULL, 0, NULL, 0 }
};

static uint32_t
read_count(const char *text, uint32_t max)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);

	if (end == text || *end != '\0' || n > max)
		errx(2, "%s: not a number up to %u", text, max);
	return (uint32_t)n;
}

static double
read_seconds(const char *text)
{
	char *end;
	double s = strtod(text, &end);

	if (end == text || *end != '\0' || s < 0 || s > 86400)
		errx(2, "%s: not a number of seconds", text);
	return s;
}

static const struct way *
read_way(const char *text)
{
	if (strcmp(text, "follow") == 0)
		return &way_follow;
	if (strcmp(text, "insert") == 0)
		return &way_insert;
	errx(2, "%s: neither follow nor insert", text);
}

/* read_address takes 127.x.x.x:PORT and nothing else: a load like this one has
 * no business on a network. */
static void
read_address(struct sockaddr_in *address, const char *text)
{
	char host[INET_ADDRSTRLEN];
	const char *colon = strrchr(text, ':');

	if (colon == NULL || (size_t)(colon - text) >= sizeof host)
		errx(2, "%s: not HOST:PORT", text);
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	address->sin_family = AF_INET;
	address->sin_port = htons((uint16_t)read_count(colon + 1, UINT16_MAX));
	if (inet_pton(AF_INET, host, &address->sin_addr) != 1 ||
	    ntohl(address->sin_addr.s_addr) >> 24 != 127)
		errx(2, "%s: not an address of the loopback (127.0.0.1)", host);
}

static void
add_address(struct side *side, const char *text)
{
	if (side->n_addresses == MAX_ADDRESSES)
		errx(2, "%s: more than %d machines", text, MAX_ADDRESSES);
	read_address(&side->addresses[side->n_addresses++], text);
	if (side->host == NULL)
		side->host = text;
}

static void
read_tokens(struct options *o, const char *path)
{
	char *line = NULL;
	size_t size = 0, capacity = 0;
	ssize_t n;
	FILE *f = fopen(path, "re");

	if (f == NULL)
		err(2, "%s", path);
	while ((n = getline(&line, &size, f)) > 0) {
		if (line[n - 1] == '\n')
			n--;
		if (o->n_tokens == capacity) {
			capacity = capacity != 0 ? capacity * 2 : 64;
			o->tokens = mem_realloc(o->tokens, capacity * sizeof *o->tokens);
		}
		o->tokens[o->n_tokens++] = mem_strndup(line, (size_t)n);
	}
	free(line);
	fclose(f);
	if (o->n_tokens == 0)
		errx(2, "%s: no token in it", path);
}

static void
set_option(struct options *o, int key, const char *value)
{
	switch (key) {
	case KEY_GET: add_address(&o->get, value); break;
	case KEY_GET_PATH: o->get.path = value; break;
	case KEY_GET_HEADER: buf_printf(&o->get.headers, "%s\r\n", value); break;
	case KEY_POST: add_address(&o->post, value); break;
	case KEY_POST_PATH: o->post.path = value; break;
	case KEY_POST_HEADER: buf_printf(&o->post.headers, "%s\r\n", value); break;
	case KEY_BODY: o->body = value; break;
	case KEY_TOKENS: read_tokens(o, value); break;
	case KEY_STREAMS: o->n_streams = read_count(value, 100000); break;
	case KEY_PUBLISHERS: o->n_publishers = read_count(value, 10000); break;
	case KEY_UNFINISHED: o->unfinished = read_count(value, 1000000); break;
	case KEY_LINES: o->lines = read_count(value, 100000); break;
	case KEY_SIZE: o->size = read_count(value, 1 << 20); break;
	case KEY_SECONDS: o->seconds = read_seconds(value); break;
	case KEY_WARMUP: o->warmup = read_seconds(value); break;
	case KEY_LIMIT: o->limit = read_seconds(value); break;
	case KEY_OPENING: o->opening = read_count(value, 10000); break;
	case KEY_ROWS: o->rows = read_count(value, 100000000); break;
	case KEY_USERS: o->users = read_count(value, 100000); break;
	case KEY_COUNT: o->count = read_count(value, 1000000); break;
	case KEY_AFTER: o->after = read_count(value, UINT32_MAX); break;
	case KEY_DB: o->db = value; break;
	case KEY_SPREAD: o->spread = true; break;
	case KEY_BACK: add_address(&o->back, value); break;
	case KEY_FIRST: o->first = read_count(value, 1000000000); break;
	case KEY_REDIS: read_address(&o->log.address, value); break;
	case KEY_REDIS_LOGIN: o->log.login = value; break;
	case KEY_REDIS_KEY: o->log.key = value; break;
	case KEY_TO: o->log.user = value; break;
	case KEY_ANSWERS: o->answers = read_count(value, 10000); break;
	case KEY_RATE: o->rate = read_count(value, 10000000); break;
	case KEY_LENGTH: o->length = read_count(value, 1 << 30); break;
	case KEY_WAY: o->way = read_way(value); break;
	case KEY_SINGLE_RATE: o->single_rate = read_count(value, 100000); break;
	case KEY_SINGLE_BODY: o->single_body = value; break;
	case KEY_PID:
		if (o->n_processes == USAGE_PIDS)
			errx(2, "more than %d processes", USAGE_PIDS);
		if (usage_parse(&o->processes[o->n_processes++], value) != 0)
			errx(2, "%s: not NAME=PID", value);
		break;
	case KEY_HELP:
		fputs(usage_text, stdout);
		exit(0);
	default:
		fputs(usage_text, stderr);
		exit(2);
	}
}

/* defaults are those of the mode; every option overrides them. */
static void
set_defaults(struct options *o, const char *mode)
{
	*o = (struct options){
		.mode = mode, .body = "{msg}", .n_streams = 1, .n_publishers = 1, .unfinished = 1, .lines = 1,
		.opening = 256, .rows = 100, .first = 1, .single_body = "{msg}", .size = 64, .seconds = 5, .warmup = 1, .limit = 120,
	};
	o->get.path = o->post.path = "/";
	o->log.key = "rowcast";
	if (strcmp(mode, "load") == 0) {
		o->n_publishers = 64;
		o->unfinished = 128;
	} else if (strcmp(mode, "users") == 0) {
		o->n_publishers = 16;
		o->unfinished = 0;
		o->to_users = true;
	} else if (strcmp(mode, "bulk") == 0) {
		o->n_publishers = 4;
		o->unfinished = 0;
		o->lines = 1000;
	} else if (strcmp(mode, "post") == 0) {
		o->n_streams = 0;
		o->unfinished = 0;
	} else if (strcmp(mode, "answers") == 0) {
		o->answers = 1;
		o->length = LENGTH_BYTES;
		o->first = 0;
		o->way = &way_follow;
	} else if (strcmp(mode, "foreign") == 0 || strcmp(mode, "xadd") == 0) {
		o->count = 500;
	} else if (strcmp(mode, "amid") == 0) {
		o->n_publishers = 16;
		o->unfinished = 0;
		o->rate = 10;
		o->single_rate = 40;
		o->users = 20;
	} else if (strcmp(mode, "replay") == 0) {
		o->count = 1;
	} else if (strcmp(mode, "storm") == 0) {
		o->unfinished = 0;
		o->opening = 1024;
	}
}

void
options_read(struct options *o, int argc, char **argv)
{
	static const char *const modes[] = {
		"lone", "load", "users", "bulk", "post", "amid", "answers", "hold", "foreign", "storm", "xadd", "replay", "fill"
	};
	bool is_mode = false;
	int key;

	for (size_t k = 0; argc > 1 && k < sizeof modes / sizeof modes[0]; k++)
		is_mode |= strcmp(argv[1], modes[k]) == 0;
	if (!is_mode)
		set_option(o, argc > 1 && strcmp(argv[1], "--help") == 0 ? KEY_HELP : '?', NULL);
	set_defaults(o, argv[1]);
	while ((key = getopt_long(argc - 1, argv + 1, "", long_options, NULL)) != -1)
		set_option(o, key, optarg);
	if (optind != argc - 1)
		errx(2, "%s: not an option", argv[1 + optind]);
	if (o->size < MESSAGE_HEAD)
		errx(2, "--size: at least %d", MESSAGE_HEAD);
	if (o->unfinished != 0 && o->unfinished < o->lines)
		errx(2, "--unfinished: at least as many as --lines, or 0");
	if (o->post.host == NULL) {
		memcpy(o->post.addresses, o->get.addresses, sizeof o->post.addresses);
		o->post.n_addresses = o->get.n_addresses;
		o->post.host = o->get.host;
	}
	if (o->lines == 0 || o->opening == 0 || o->n_publishers == 0)
		errx(2, "--lines, --opening and --publishers: at least 1");
	if (strcmp(o->mode, "fill") != 0 && o->get.host == NULL)
		errx(2, "--get HOST:PORT is missing");
	if (strcmp(o->mode, "amid") == 0 && (o->rate < 1 || o->single_rate < 1 || o->users == 0))
		errx(2, "--rate, --single-rate and --users: at least 1");
	if (strcmp(o->mode, "answers") == 0 && o->answers == 0)
		errx(2, "--answers: at least 1");
	if (o->answers > 0 && o->length < 2 * (o->size + strlen(o->body)))
		errx(2, "--length: at least that of two messages");
	if ((strcmp(o->mode, "fill") == 0 || strcmp(o->mode, "foreign") == 0 || o->answers > 0) && o->db == NULL)
		errx(2, "--db FILE is missing");
	if (strcmp(o->mode, "xadd") == 0 && o->log.address.sin_port == 0)
		errx(2, "--redis HOST:PORT is missing");
	buf_add_char(&o->get.headers, '\0');
	buf_add_char(&o->post.headers, '\0');
}

void
template_add(struct buf *out, const struct options *o, const char *text, uint32_t user, const char *msg, size_t msg_len)
{
	while (*text != '\0') {
		size_t n = strcspn(text + 1, "{") + 1; /* up to the next brace, at least a byte */

		if (strncmp(text, "{i}", 3) == 0) {
			buf_printf(out, "%u", o->user_base + user);
			n = 3;
		} else if (strncmp(text, "{a}", 3) == 0 && o->answers > 0) {
			buf_printf(out, "%u", user % o->answers);
			n = 3;
		} else if (strncmp(text, "{token}", 7) == 0 && o->n_tokens > 0) {
			buf_add_str(out, o->tokens[(o->user_base + user) % o->n_tokens]);
			n = 7;
		} else if (strncmp(text, "{msg}", 5) == 0 && msg != NULL) {
			buf_add(out, msg, msg_len);
			n = 5;
		} else {
			buf_add(out, text, n);
		}
		text += n;
	}
}
