#include "tests/unit/check.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/probe/listening.h"
#include "lib/mem.h"

/* A web server that answers one request with these bytes, a few at a time, and ends. */
struct served {
	const char *text;
	size_t piece;
	int fd;
};

static void *
serve(void *arg)
{
	struct served *served = arg;
	int fd = accept(served->fd, NULL, NULL);
	const char *text = served->text;
	char request[4096];

	assert_true(fd >= 0);
	assert_true(read(fd, request, sizeof(request)) > 0);
	while (*text != '\0') {
		size_t n = strnlen(text, served->piece);

		assert_int_equal(send(fd, text, n, MSG_NOSIGNAL), n);
		text += n;
	}
	close(fd);
	return NULL;
}

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"

/* hear_all listens to that text to its end. */
static void
hear_all(struct listening *listening, const char *text, size_t piece)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	struct served served = { text, piece, socket(AF_INET, SOCK_STREAM, 0) };
	struct fetcher *fetcher = fetcher_open("token", false);
	mono_us deadline = clock_mono_us() + 60 * 1000 * 1000;
	pthread_t thread;
	char *url;

	assert_non_null(fetcher);
	assert_int_equal(bind(served.fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(served.fd, 1), 0);
	assert_int_equal(getsockname(served.fd, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(pthread_create(&thread, NULL, serve, &served), 0);
	url = mem_printf("http://127.0.0.1:%d/events", ntohs(address.sin_port));
	listening_start(listening, fetcher, url, "cafe", &(struct fetch_how){ 0 });
	while (!listening->fetch->is_done && clock_mono_us() < deadline)
		fetcher_turn(fetcher, deadline);
	assert_true(listening->fetch->is_done);
	assert_int_equal(pthread_join(thread, NULL), 0);
	listening_stop(listening);
	listening_stop(listening);  /* nothing */
	fetcher_close(fetcher);
	close(served.fd);
	free(url);
}

static const size_t pieces[] = { 1, 3, 7, 100, 100000 };
enum { N_PIECES = sizeof(pieces) / sizeof(pieces[0]) };

TEST(our_messages_count_when_their_blank_line_has_come)
{
	struct listening listening;

	for (size_t i = 0; i < N_PIECES; i++) {
		hear_all(&listening, HEAD "retry: 1\nid: 4\n\n:\nid: 5\ndata: rowcast probe cafe 1 xxx\n\n"
		    "event: e\r\ndata: rowcast probe cafe 2 yyy\r\n\r\ndata: rowcast probe cafe 3 zzz\n", pieces[i]);
		assert_true(listening.has_begun);
		assert_int_equal(listening.newest, 2);
		assert_false(listening.is_busy || listening.is_expired);
	}
}

TEST(those_of_other_probes_and_people_do_not)
{
	struct listening listening;

	for (size_t i = 0; i < N_PIECES; i++) {
		hear_all(&listening, HEAD "id: 1\ndata: rowcast probe beef 7 x\n\ndata: hello\n\n"
		    "data: rowcast probe \n\ndata: rowcast probe cafe\n\n", pieces[i]);
		assert_int_equal(listening.newest, 0);
	}
}

TEST(the_last_words_of_rowcast_are_heard)
{
	struct listening listening;

	hear_all(&listening, HEAD "event: rowcast.busy\nid: 1\ndata: x\n\n", 5);
	assert_true(listening.is_busy && !listening.is_expired);
	hear_all(&listening, HEAD "event: rowcast.expired\ndata: x\n\n", 5);
	assert_true(listening.is_expired && !listening.is_busy && !listening.has_begun);
}

TEST(a_long_line_is_not_held_and_the_next_is_right)
{
	char *text = mem_alloc(300000);
	struct listening listening;

	strcpy(text, HEAD "data: rowcast probe cafe 1 ");
	memset(text + strlen(text) + 1, 'x', 200000);
	text[strlen(text)] = 'x';
	strcpy(text + sizeof(HEAD "data: rowcast probe cafe 1 ") + 200000, "\n\ndata: rowcast probe cafe 2 \n\n");
	hear_all(&listening, text, 5000);
	assert_int_equal(listening.newest, 2);
	assert_true(listening.n_bytes > 200000);
	free(text);
}

TEST(what_is_no_stream_is_kept_in_part)
{
	char *text = mem_alloc(300000);
	struct listening listening;

	strcpy(text, "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\nid: 1\n");
	memset(text + strlen(text), 'x', 100000);
	text[100000] = '\0';
	hear_all(&listening, text, 100000);
	assert_false(listening.has_begun);
	assert_int_equal(listening.n_bytes, 0);
	free(text);
}

TEST(a_message_is_known_by_its_beginning_and_has_the_size_asked_for)
{
	char *mark = listening_mark("cafe", 12, 1000);

	assert_int_equal(strlen(mark), 1000);
	assert_memory_equal(mark, "rowcast probe cafe 12 ", 22);
	for (const char *c = mark; *c != '\0'; c++)
		assert_true(*c >= ' ' && *c <= '~' && *c != '"' && *c != '\\');
	free(mark);
	mark = listening_mark("cafe", 12, 1);
	assert_string_equal(mark, "rowcast probe cafe 12 ");
	free(mark);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(our_messages_count_when_their_blank_line_has_come),
	cmocka_unit_test(those_of_other_probes_and_people_do_not),
	cmocka_unit_test(the_last_words_of_rowcast_are_heard),
	cmocka_unit_test(a_long_line_is_not_held_and_the_next_is_right),
	cmocka_unit_test(what_is_no_stream_is_kept_in_part),
	cmocka_unit_test(a_message_is_known_by_its_beginning_and_has_the_size_asked_for),
};

RUN_TESTS(tests)
