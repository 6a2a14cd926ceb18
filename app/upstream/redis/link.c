/* A connection, which waits for nothing but in socket_await. What hiredis does is read,
 * take answers apart, and speak TLS where it was built for that; its own connecting would
 * try one address of a host, and its own writing moves all that is unsent with each write,
 * which with 64 MiB of messages takes seconds. */

#include "app/upstream/redis/link.h"

#include <errno.h>
#include <hiredis.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/mem.h"

enum {
	/* In one array: what is said to come is not believed, since there is made room for it.
	 * Nothing that is asked for has more. */
	ITEMS_MAX = 1 << 20,
	READ_BYTES = 64 << 10,  /* at once; hiredis itself reads a quarter of that */
	KEPT_BYTES = 1 << 20,   /* hiredis keeps so much room for the next answer: to grow it costs */
};

struct link {
	redisContext *context;   /* owns the descriptor */
	int wake_fd;
	bool tls;
	bool has_answered;       /* so the handshake of TLS is over */
	struct buf out;          /* what is to be sent, of it `sent` is */
	size_t sent;
	size_t piece;            /* behind `sent`, what hiredis is about to write (TLS) */
	size_t n_expected;       /* answers */
	struct redis_value *answer;  /* that is being read: hiredis's */
	bool is_closed;          /* by the other side */
};

static void
tell(char why[LINK_WHY_BYTES], const char *what)
{
	snprintf(why, LINK_WHY_BYTES, "%s", what);
}

/* ---- answers, as hiredis finds them ---- */

/* place_of returns where an answer, or a part of one, goes. */
static struct redis_value *
place_of(const redisReadTask *task)
{
	struct link *link = task->privdata;

	if (task->parent == NULL)
		return link->answer = redis_value_new();
	return &((struct redis_value *)task->parent->obj)->items[task->idx];
}

static void *
take_string(const redisReadTask *task, char *text, size_t len)
{
	struct redis_value *value = place_of(task);
	struct link *link = task->privdata;

	value->kind = task->type == REDIS_REPLY_ERROR ? REDIS_ERROR : REDIS_TEXT;
	value->n = len;
	value->text = redis_value_room(link->answer, len + 1);
	memcpy(value->text, text, len);
	value->text[len] = '\0';
	return value;
}

#if HIREDIS_MAJOR < 1
static void *
take_array(const redisReadTask *task, int n)
#else
static void *
take_array(const redisReadTask *task, size_t n)
#endif
{
	struct redis_value *value = place_of(task);
	struct link *link = task->privdata;
	size_t n_bytes = (size_t)n * sizeof(value->items[0]);

	if (n > ITEMS_MAX) {
		if (task->parent == NULL)
			redis_value_free(value);
		return NULL;  /* hiredis takes it for a lack of memory */
	}
	value->kind = REDIS_ARRAY;
	value->n = (size_t)n;
	value->items = redis_value_room(link->answer, n_bytes);
	memset(value->items, 0, n_bytes);  /* nils */
	return value;
}

static void *
take_integer(const redisReadTask *task, long long integer)
{
	struct redis_value *value = place_of(task);

	value->kind = REDIS_INTEGER;
	value->integer = integer;
	return value;
}

static void *
take_nil(const redisReadTask *task)
{
	return place_of(task);
}

static void
drop_answer(void *value)
{
	redis_value_free(value);
}

static redisReplyObjectFunctions takers = {
	.createString = take_string,
	.createArray = take_array,
	.createInteger = take_integer,
	.createNil = take_nil,
	.freeObject = drop_answer,
};

/* ---- TLS ---- */

#ifdef HAVE_HIREDIS_SSL
#include <hiredis_ssl.h>

#include "app/upstream/redis/tls.h"

bool
link_has_tls(void)
{
	return true;
}

/* start_tls: the handshake goes on with what is sent. */
static int
start_tls(struct link *link, const struct link_place *place, char why[LINK_WHY_BYTES])
{
	struct ssl_st *session = tls_new(place->host);

	if (session == NULL) {
		tell(why, "TLS cannot be set up");
		return -1;
	}
	link->tls = true;
	if (redisInitiateSSL(link->context, session) == REDIS_OK)
		return 0;
	tell(why, link->context->errstr);
	tls_free(session);
	return -1;
}
#else
bool
link_has_tls(void)
{
	return false;
}

static int
start_tls(struct link *link __attribute__((unused)),
    const struct link_place *place __attribute__((unused)), char why[LINK_WHY_BYTES])
{
	tell(why, "this rowcast was built without TLS for Redis");
	return -1;
}
#endif

/* ---- opening ---- */

struct link *
link_open(const struct link_place *place, int wake_fd, mono_us deadline, char why[LINK_WHY_BYTES])
{
	int fd = place->path != NULL ? socket_connect_path(place->path, wake_fd, deadline, why)
	    : socket_connect_host(place->host, place->port, wake_fd, deadline, why);
	struct link *link;

	if (fd < 0)
		return NULL;
	link = mem_zalloc(sizeof(*link));
	link->wake_fd = wake_fd;
	link->context = redisConnectFd(fd);
	if (link->context == NULL || link->context->err != 0) {
		tell(why, "hiredis has no memory");
		if (link->context == NULL)
			close(fd);
		goto fail;
	}
	/* Taken for a blocking one, which the descriptor is not. */
	link->context->flags &= ~REDIS_BLOCK;
	link->context->reader->fn = &takers;
	link->context->reader->privdata = link;
	link->context->reader->maxbuf = KEPT_BYTES;
	if (place->tls && start_tls(link, place, why) != 0)
		goto fail;
	return link;

fail:
	link_close(link);
	return NULL;
}

void
link_close(struct link *link)
{
	if (link == NULL)
		return;
	if (link->context != NULL)
		redisFree(link->context);
	buf_free(&link->out);
	free(link);
}

/* ---- commands and answers ---- */

void
link_send(struct link *link, size_t n, const char *const args[], const size_t lens[])
{
	buf_printf(&link->out, "*%zu\r\n", n);
	for (size_t i = 0; i < n; i++) {
		size_t len = lens != NULL ? lens[i] : strlen(args[i]);

		buf_printf(&link->out, "$%zu\r\n", len);
		buf_add(&link->out, args[i], len);
		buf_add(&link->out, "\r\n", 2);
	}
	link->n_expected++;
}

/* has_unsent also lets go of what is sent. */
static bool
has_unsent(struct link *link)
{
	if (link->sent < link->out.len)
		return true;
	if (link->out.len > 0) {
		buf_free(&link->out);
		link->sent = 0;
	}
	return false;
}

static int
write_plain(struct link *link)
{
	ssize_t n = send(link->context->fd, link->out.bytes + link->sent, link->out.len - link->sent,
	    MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	link->sent += (size_t)n;
	return 0;
}

/* write_tls passes it on in pieces of this size, since hiredis moves what is left of one. */
enum { TLS_PIECE_BYTES = 64 * 1024 };

static int
write_tls(struct link *link)
{
	size_t left = link->out.len - link->sent;
	int done = 0;

	if (link->piece == 0) {
		link->piece = left < TLS_PIECE_BYTES ? left : TLS_PIECE_BYTES;
		if (redisAppendFormattedCommand(link->context, link->out.bytes + link->sent,
		    link->piece) != REDIS_OK)
			return -1;
	}
	if (redisBufferWrite(link->context, &done) != REDIS_OK)
		return -1;
	if (done) {
		link->sent += link->piece;
		link->piece = 0;
	}
	return 0;
}

static int
read_plain(struct link *link)
{
	char bytes[READ_BYTES];
	ssize_t n = recv(link->context->fd, bytes, sizeof(bytes), 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	link->is_closed = n == 0;
	return n == 0 ? -1 : redisReaderFeed(link->context->reader, bytes, (size_t)n);
}

static int
read_some(struct link *link)
{
	/* hiredis reads nothing, and says so with 0, where it was for writing. */
	return link->tls ? redisBufferRead(link->context) : read_plain(link);
}

/* Within a handshake of TLS a write may wait for something to read, and hiredis does not
 * tell: so it is tried again after this time at the latest. */
enum { TLS_AGAIN_US = 5000 };

static enum socket_awaited
await_link(struct link *link, mono_us deadline)
{
	int fd = link->context->fd;
	mono_us again = clock_mono_us() + TLS_AGAIN_US;
	enum socket_awaited awaited;

	if (!has_unsent(link))
		return socket_await(fd, POLLIN, link->wake_fd, deadline);
	if (!link->tls || link->has_answered)
		return socket_await(fd, POLLIN | POLLOUT, link->wake_fd, deadline);
	awaited = socket_await(fd, POLLIN, link->wake_fd, again < deadline ? again : deadline);
	return awaited == SOCKET_LATE && again < deadline ? SOCKET_READY : awaited;
}

static void
tell_lost(const struct link *link, char why[LINK_WHY_BYTES])
{
	const redisContext *context = link->context;

	if (link->tls && !link->has_answered)  /* hiredis may not know why either */
		tell(why, "TLS failed: the certificate has to be of that host, and signed by whom this "
		    "system trusts");
	else if (context->err == 0 && !link->is_closed)
		socket_tell_errno(why, errno);
	else if (link->is_closed || context->err == REDIS_ERR_EOF)
		tell(why, "the connection was closed");
	else
		tell(why, context->errstr);  /* of the system or the protocol */
}

struct redis_value *
link_receive(struct link *link, mono_us deadline, char why[LINK_WHY_BYTES])
{
	void *answer = NULL;

	for (;;) {
		enum socket_awaited awaited;

		if (has_unsent(link) && link->tls && write_tls(link) < 0)
			break;
		/* Who closes a connection may have said why: that is read still. */
		if (has_unsent(link) && !link->tls && write_plain(link) < 0)
			link->sent = link->out.len;
		if (redisGetReplyFromReader(link->context, &answer) != REDIS_OK)
			break;
		if (answer != NULL) {
			link->n_expected--;
			link->has_answered = true;
			return answer;
		}
		awaited = await_link(link, deadline);
		if (awaited != SOCKET_READY) {
			socket_tell_awaited(why, awaited);
			return NULL;
		}
		if (read_some(link) != REDIS_OK)
			break;
	}
	tell_lost(link, why);
	return NULL;
}

bool
link_is_quiet(struct link *link)
{
	struct pollfd fd = { .fd = link->context->fd, .events = POLLIN };

	if (link->n_expected > 0 || has_unsent(link))
		return true;
	return poll(&fd, 1, 0) == 0;
}
