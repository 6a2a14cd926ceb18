#include "tests/unit/harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sqlite3.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/fcgi.h"
#include "lib/mem.h"

static int64_t
system_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t
look_until(void)
{
	return system_ms() + PATIENCE_MS;
}

void
look_again(int64_t until, const char *condition)
{
	if (system_ms() > until)
		fail_msg("in %d ms it never was so: %s", PATIENCE_MS, condition);
	usleep(1000);
}

/* ---- the surroundings ---- */

static char folder[] = "/tmp/rowcast-test-XXXXXX";
static bool has_folder;

static int
remove_one(const char *path, const struct stat *st __attribute__((unused)),
    int type __attribute__((unused)), struct FTW *ftw __attribute__((unused)))
{
	return remove(path);
}

static void
remove_folder(void)
{
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

char *
path_in_folder(const char *name)
{
	if (!has_folder) {
		assert_non_null(mkdtemp(folder));
		has_folder = true;
		atexit(remove_folder);
	}
	return mem_printf("%s/%s", folder, name);
}

static char *
write_file(const char *name, const char *text)
{
	char *path = path_in_folder(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return path;
}

static int
has_line(const char *const lines[], const char *key)
{
	for (; lines != NULL && *lines != NULL; lines++)
		if (strncmp(*lines, key, strlen(key)) == 0 && (*lines)[strlen(key)] == ' ')
			return 1;
	return 0;
}

void
conf_of(struct conf *conf, const char *const lines[])
{
	char *key = write_file("key", HARNESS_SECRET "\n");
	char *socket_path = path_in_folder("socket"), *store = path_in_folder("rowcast.db"), *path;
	struct buf text = BUF_EMPTY;
	char *whole;

	buf_printf(&text, "jwt_key_file = %s\nstore = sqlite:%s\n", key, store);
	if (!has_line(lines, "listen"))
		buf_printf(&text, "listen = unix:%s\n", socket_path);
	for (; lines != NULL && *lines != NULL; lines++)
		buf_printf(&text, "%s\n", *lines);
	whole = buf_take(&text);
	path = write_file("rowcast.conf", whole);
	assert_int_equal(conf_load(conf, path, NULL, 0), 0);
	free(path);
	free(whole);
	free(store);
	free(socket_path);
	free(key);
}

struct auth *
auth_of_conf(void)
{
	struct conf conf;
	struct auth *auth;

	conf_of(&conf, NULL);
	auth = auth_open(&conf);
	assert_non_null(auth);
	conf_free(&conf);
	return auth;
}

size_t
count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - 3;  /* ".", ".." and the directory's own */
}

/* ---- the table ---- */

static const char scheme[] = "sqlite:";

void
table_open(struct table *table)
{
	static int number;
	char *file = mem_printf("table-%d.db", number++), *path = path_in_folder(file);

	table->name = mem_printf("%s%s", scheme, path);
	free(path);
	free(file);
	table->store = store_open(table->name, STORE_OWNER);
	assert_non_null(table->store);
}

void
table_close(struct table *table)
{
	store_close(table->store);
	free(table->name);
	*table = (struct table){ 0 };
}

int64_t
commit(struct table *table, const char *user, const char *topic, const char *data)
{
	struct message m = {
		.user = user != NULL ? mem_strdup(user) : NULL,
		.topic = topic != NULL ? mem_strdup(topic) : NULL,
		.data = mem_strdup(data),
		.data_len = strlen(data),
	};
	struct append append = { .messages = &m, .n = 1, .publisher = "test" }, *appends = &append;
	int64_t id;

	assert_int_equal(store_append(table->store, &appends, 1), 0);
	assert_false(append.refused);
	id = m.id;
	message_free(&m);
	return id;
}

struct sqlite3 *
foreign_open(const struct table *table)
{
	struct sqlite3 *foreign;

	assert_int_equal(sqlite3_open(table->name + strlen(scheme), &foreign), SQLITE_OK);
	sqlite3_busy_timeout(foreign, PATIENCE_MS);
	return foreign;
}

void
foreign_close(struct sqlite3 *foreign)
{
	assert_int_equal(sqlite3_close(foreign), SQLITE_OK);
}

void
foreign_run(struct sqlite3 *foreign, const char *sql)
{
	if (sqlite3_exec(foreign, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(foreign));
}

void
table_run(const struct table *table, const char *sql)
{
	struct sqlite3 *foreign = foreign_open(table);

	foreign_run(foreign, sql);
	foreign_close(foreign);
}

/* ---- the bytes of a request (FastCGI 3.3, 3.4, 5.1-5.3) ---- */

static void
add_one_record(struct buf *out, unsigned type, uint16_t id, const void *content, size_t len)
{
	const unsigned char header[FCGI_HEADER_BYTES] = {
		1, (unsigned char)type, (unsigned char)(id >> 8), (unsigned char)id,
		(unsigned char)(len >> 8), (unsigned char)len, 0, 0,
	};

	buf_add(out, header, sizeof(header));
	buf_add(out, content, len);
}

void
add_record(struct buf *out, unsigned type, uint16_t id, const void *content, size_t len)
{
	const char *at = content;

	do {
		size_t n = len < FCGI_CONTENT_MAX ? len : FCGI_CONTENT_MAX;

		add_one_record(out, type, id, at, n);
		at = n > 0 ? at + n : at;
		len -= n;
	} while (len > 0);
}

void
add_begin(struct buf *out, uint16_t id, bool keep)
{
	const unsigned char body[8] = { 0, 1, keep };

	add_record(out, RECORD_BEGIN, id, body, sizeof(body));
}

static void
add_length(struct buf *out, size_t len)
{
	if (len >= 0x80) {
		buf_add_char(out, (char)(0x80 | len >> 24));
		buf_add_char(out, (char)(len >> 16));
		buf_add_char(out, (char)(len >> 8));
	}
	buf_add_char(out, (char)len);
}

void
add_params(struct buf *out, uint16_t id, const char *const params[])
{
	struct buf pairs = BUF_EMPTY;

	for (; *params != NULL; params += 2) {
		add_length(&pairs, strlen(params[0]));
		add_length(&pairs, strlen(params[1]));
		buf_add_str(&pairs, params[0]);
		buf_add_str(&pairs, params[1]);
	}
	if (pairs.len > 0)
		add_record(out, RECORD_PARAMS, id, pairs.bytes, pairs.len);
	add_record(out, RECORD_PARAMS, id, NULL, 0);
	buf_free(&pairs);
}

void
add_body(struct buf *out, uint16_t id, const void *body, size_t len)
{
	if (len > 0)
		add_record(out, RECORD_STDIN, id, body, len);
}

void
add_body_end(struct buf *out, uint16_t id)
{
	add_record(out, RECORD_STDIN, id, NULL, 0);
}

struct buf
request_of(bool keep, const char *const params[], const char *body)
{
	struct buf request = BUF_EMPTY;

	add_begin(&request, 1, keep);
	add_params(&request, 1, params);
	if (body != NULL)
		add_body(&request, 1, body, strlen(body));
	add_body_end(&request, 1);
	return request;
}

/* ---- the web server ---- */

int
peer_pair(struct peer *peer)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	*peer = (struct peer){ .fd = pair[0] };
	return pair[1];
}

void
peer_connect(struct peer *peer, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*peer = (struct peer){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	assert_true(peer->fd >= 0);
	assert_true(strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path));
	assert_int_equal(connect(peer->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

void
hang_up(struct peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	buf_free(&peer->content);
	*peer = (struct peer){ .fd = -1 };
}

void
say(struct peer *peer, const void *bytes, size_t n)
{
	const char *at = bytes;

	while (n > 0) {
		ssize_t sent = send(peer->fd, at, n, MSG_NOSIGNAL);

		if (sent <= 0)
			fail_msg("send: %s", strerror(errno));
		at += sent;
		n -= (size_t)sent;
	}
}

void
say_request(struct peer *peer, bool keep, const char *const params[], const char *body)
{
	struct buf request = request_of(keep, params, body);

	say(peer, request.bytes, request.len);
	buf_free(&request);
}

/* take reads exactly n bytes; false where the connection was closed before the
 * first of them. */
static bool
take(struct peer *peer, void *bytes, size_t n)
{
	char *at = bytes;
	size_t have = 0;

	while (have < n) {
		struct pollfd p = { .fd = peer->fd, .events = POLLIN };
		ssize_t got;

		if (poll(&p, 1, PATIENCE_MS) != 1)
			fail_msg("nothing came in %d ms", PATIENCE_MS);
		got = recv(peer->fd, at + have, n - have, 0);
		/* Whoever closes with our bytes unread resets the connection. */
		if (got == 0 || (got < 0 && errno == ECONNRESET)) {
			if (have > 0)
				fail_msg("closed in the middle of a record");
			return false;
		}
		if (got < 0)
			fail_msg("recv: %s", strerror(errno));
		have += (size_t)got;
	}
	return true;
}

unsigned
take_record(struct peer *peer, size_t *len)
{
	unsigned char header[FCGI_HEADER_BYTES];
	char padding[255];
	char *to;

	*len = 0;
	if (!take(peer, header, sizeof(header)))
		return 0;
	assert_int_equal(header[0], 1);
	*len = (size_t)header[4] << 8 | header[5];
	to = buf_reserve(&peer->content, *len + 1);
	if (*len > 0 && !take(peer, to, *len))
		fail_msg("closed in the middle of a record");
	if (header[6] > 0 && !take(peer, padding, header[6]))
		fail_msg("closed in the middle of a record");
	if (header[1] == RECORD_STDOUT) {
		assert_false(peer->ended);
		peer->content.len += *len;
	} else {
		assert_int_equal(header[1], RECORD_END);
		assert_false(peer->ended);
		assert_int_equal(*len, 8);
		assert_memory_equal(to, "\0\0\0\0\0\0\0\0", 8);
		peer->ended = true;
	}
	return header[1];
}

size_t
expect_record(struct peer *peer)
{
	size_t len;

	assert_int_equal(take_record(peer, &len), RECORD_STDOUT);
	return len;
}

void
expect_text(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("expected \"%s\" in \"%s\"", part, text);
}

/* text_so_far ends what came with a NUL that is not counted. */
static const char *
text_so_far(struct peer *peer)
{
	*buf_reserve(&peer->content, 1) = '\0';
	return peer->content.bytes + peer->at;
}

const char *
expect_reply(struct peer *peer, int status)
{
	char *first = mem_printf("Status: %d ", status);
	size_t len;

	buf_free(&peer->content);
	peer->at = 0;
	while (!peer->ended)
		if (take_record(peer, &len) == 0)
			fail_msg("closed before the reply had ended");
	if (strncmp(text_so_far(peer), first, strlen(first)) != 0)
		fail_msg("expected %sin \"%s\"", first, text_so_far(peer));
	free(first);
	expect_text(text_so_far(peer), "\r\n\r\n");
	peer->at = peer->content.len;  /* all of it is looked at: the next may begin */
	peer->ended = false;
	return peer->content.bytes;
}

void
expect_head(struct peer *peer)
{
	const char *end;

	while ((end = strstr(text_so_far(peer), "\r\n\r\n")) == NULL)
		expect_record(peer);
	expect_text(text_so_far(peer), "Status: 200 OK\r\nContent-Type: text/event-stream\r\n");
	peer->at += (size_t)(end + 4 - text_so_far(peer));
}

const char *
next_block(struct peer *peer)
{
	static struct buf block;
	size_t n, len;

	for (;;) {
		const char *text = text_so_far(peer), *end;

		n = peer->content.len - peer->at;
		if (n >= 2 && text[0] == ':' && text[1] == '\n') {
			n = 2;
			break;
		}
		end = n > 0 ? memmem(text, n, "\n\n", 2) : NULL;
		if (end != NULL) {
			n = (size_t)(end - text) + 2;
			break;
		}
		if (peer->ended || take_record(peer, &len) == 0) {
			assert_int_equal(n, 0);
			return NULL;
		}
	}
	block.len = 0;
	buf_add(&block, peer->content.bytes + peer->at, n);
	while (block.len > 0 && block.bytes[block.len - 1] == '\n')
		block.len--;
	buf_add_char(&block, '\0');
	peer->at += n;
	if (peer->at == peer->content.len) {
		buf_free(&peer->content);
		peer->at = 0;
	}
	return block.bytes;
}

void
expect_event(struct peer *peer, const char *block)
{
	const char *came = next_block(peer);

	if (came == NULL)
		fail_msg("expected \"%s\", but the stream has ended", block);
	assert_string_equal(came, block);
}

void
expect_start(struct peer *peer, int64_t cursor)
{
	long long retry = -1, id = -1;
	const char *came = next_block(peer);
	int end = 0;

	assert_non_null(came);
	if (sscanf(came, "retry: %lld\nid: %lld%n", &retry, &id, &end) != 2 || came[end] != '\0')
		fail_msg("not the first block of a stream: %s", came);
	assert_int_equal(id, cursor);
}

void
expect_message(struct peer *peer, int64_t id, const char *data)
{
	char *block = mem_printf("id: %lld\ndata: %s", (long long)id, data);

	expect_event(peer, block);
	free(block);
}

void
expect_end(struct peer *peer)
{
	const char *came = next_block(peer);
	size_t len;

	if (came != NULL)
		fail_msg("expected the end, but there came: %s", came);
	assert_true(peer->ended);
	assert_int_equal(take_record(peer, &len), 0);
}

void
expect_closed(struct peer *peer)
{
	char c;

	assert_false(peer->ended);
	if (take(peer, &c, 1))
		fail_msg("expected to be hung up on, but something came");
}

void
expect_nothing(struct peer *peer)
{
	char c;

	assert_int_equal(peer->at, peer->content.len);
	assert_int_equal(recv(peer->fd, &c, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

struct conn *
conn_of(int fd)
{
	return conn_open(fd, NULL);
}

/* ---- all of rowcast ---- */

static void
committed(void *tail, int64_t id)
{
	tail_committed(tail, id);
}

void
rowcast_start(struct rowcast *r, const char *const lines[])
{
	rowcast_start_following(r, lines, NULL);
}

void
rowcast_start_following(struct rowcast *r, const char *const lines[],
    const struct following_bounds *of_bodies)
{
	struct intake_service at_intake;
	struct store_bounds bounds;
	struct store *store;

	*r = (struct rowcast){ .listener = { .fd = -1 } };
	conf_of(&r->conf, lines);
	r->service.conf = &r->conf;
	r->service.started_at = clock_mono_us();
	r->service.process_started_us = clock_wall_us();
	atomic_store(&r->service.max_message_bytes, r->conf.max_message_bytes);
	atomic_store(&r->service.retry_min_ms, r->conf.retry.min_ms);
	atomic_store(&r->service.retry_max_ms, r->conf.retry.max_ms);
	atomic_store(&r->service.heartbeat_ms, r->conf.heartbeat_ms);
	r->service.auth = auth_open(&r->conf);
	assert_non_null(r->service.auth);
	store = store_open(r->conf.store, STORE_OWNER);
	assert_non_null(store);
	assert_int_equal(store_bounds(store, &bounds), 0);
	assert_int_equal(listener_open(&r->listener, &r->conf), 0);
	request_init_library();
	r->service.hub = hub_start(&r->conf, r->conf.store, bounds.newest);
	assert_non_null(r->service.hub);
	auth_heed(r->service.auth, hub_revocations(r->service.hub));
	r->service.origin = origin_new();
	r->service.tail = tail_start(r->conf.store, bounds.newest, r->service.hub, r->service.origin,
	    NULL);
	assert_non_null(r->service.tail);
	r->service.writer = writer_start(&r->conf, store, r->service.origin, committed, r->service.tail);
	r->service.following = following_start(r->service.writer, r->conf.store, of_bodies);
	at_intake = workers_service(&r->service);
	r->intake = intake_start(r->listener.fd, &at_intake);
	r->workers = workers_start(r->conf.n_workers, &r->service, r->intake);
}

void
rowcast_stop(struct rowcast *r)
{
	intake_stop(r->intake);
	workers_stop(r->workers);
	following_stop(r->service.following);
	writer_stop(r->service.writer);
	tail_stop(r->service.tail);
	hub_stop(r->service.hub);
	intake_free(r->intake);
	listener_close(&r->listener);
	origin_free(r->service.origin);
	auth_close(r->service.auth);
	conf_free(&r->conf);
}

void
call(struct rowcast *r, struct peer *peer)
{
	peer_connect(peer, r->listener.path);
}

const char *
fetch(struct rowcast *r, int status, const char *const params[], const char *body)
{
	static struct peer peer = { .fd = -1 };
	const char *reply;

	hang_up(&peer);
	call(r, &peer);
	say_request(&peer, false, params, body);
	reply = expect_reply(&peer, status);
	expect_closed(&peer);
	return reply;
}

char *
token_of(struct rowcast *r, const char *user, const char *scope)
{
	char *token = auth_sign(r->service.auth, user, NULL, 0, scope, 3600);

	assert_non_null(token);
	return token;
}

char *
bearer_of(struct rowcast *r, const char *user, const char *scope)
{
	char *token = token_of(r, user, scope), *bearer = mem_printf("Bearer %s", token);

	free(token);
	return bearer;
}
