#include "tests/unit/check.h"
#include "tests/unit/harness.h"

#include <sys/socket.h>
#include <unistd.h>

#include "app/fastcgi/conn.h"
#include "lib/mailbox.h"
#include "lib/mem.h"

TEST(a_conn_that_is_closed_hangs_up)
{
	struct peer peer;

	conn_close(conn_open(peer_pair(&peer), NULL));
	expect_closed(&peer);
	hang_up(&peer);
}

TEST(a_conn_that_is_kept_goes_back_to_its_mailbox_still_open)
{
	struct mailbox returned;
	struct conn *conn;
	struct peer peer;

	mailbox_init(&returned);
	conn = conn_open(peer_pair(&peer), &returned);
	conn_keep(conn);
	assert_ptr_equal(mailbox_take(&returned), &conn->mail);
	assert_null(mailbox_take(&returned));
	expect_nothing(&peer);
	conn_close(conn);
	expect_closed(&peer);
	hang_up(&peer);
	mailbox_free(&returned);
}

TEST(a_descriptor_that_is_detached_is_the_callers)
{
	struct peer peer;
	int fd = peer_pair(&peer);

	assert_int_equal(conn_detach(conn_open(fd, NULL)), fd);
	expect_nothing(&peer);
	close(fd);
	expect_closed(&peer);
	hang_up(&peer);
}

/* ended says some bytes on a stream of request 1, has its response ended, and
 * returns what is kept of it. */
static struct conn *
ended(struct peer *peer, struct mailbox *returned, const void *bytes, size_t n)
{
	int fd = peer_pair(peer);
	struct mail *mail;
	size_t len;

	say(peer, bytes, n);
	conn_end(fd, 1, returned);
	assert_int_equal(take_record(peer, &len), RECORD_STDOUT);
	assert_int_equal(take_record(peer, &len), RECORD_END);
	peer->ended = false;
	mail = returned != NULL ? mailbox_take(returned) : NULL;
	return mail != NULL ? CONTAINER_OF(mail, struct conn, mail) : NULL;
}

TEST(a_response_that_is_ended_or_aborted_leaves_its_connection_to_be_kept)
{
	static const struct { const char *bytes; size_t n; bool kept; } heard[] = {
		{ "", 0, true }, { "\1\2\0\1\0\0\0\0", 8, true },
		{ "\1\2\0\2\0\0\0\0", 8, false }, { "\1\2\0\1\0\0\0\0x", 9, false },
		{ "\1\2\0", 3, false }, { "\1\5\0\1\0\0\0\0", 8, false },
	};
	struct mailbox returned;

	mailbox_init(&returned);
	for (size_t i = 0; i < sizeof(heard) / sizeof(heard[0]); i++) {
		struct peer peer;
		struct conn *conn = ended(&peer, &returned, heard[i].bytes, heard[i].n);
		char c;

		assert_int_equal(conn != NULL, heard[i].kept);
		if (conn != NULL) {
			expect_nothing(&peer);
			conn_close(conn);
		}
		/* A clean end, and no reset. */
		assert_int_equal(recv(peer.fd, &c, 1, 0), 0);
		hang_up(&peer);
		assert_null(ended(&peer, NULL, heard[i].bytes, heard[i].n));
		assert_int_equal(recv(peer.fd, &c, 1, 0), 0);
		hang_up(&peer);
	}
	mailbox_free(&returned);
}

TEST(a_response_whose_peer_has_gone_or_does_not_read_is_closed)
{
	static const char filler[4096];
	struct mailbox returned;
	struct peer peer;
	int fd;

	mailbox_init(&returned);
	fd = peer_pair(&peer);
	hang_up(&peer);
	conn_end(fd, 1, &returned);
	assert_null(mailbox_take(&returned));
	fd = peer_pair(&peer);
	while (send(fd, filler, sizeof(filler), MSG_DONTWAIT) > 0)
		;
	conn_end(fd, 1, &returned);
	assert_null(mailbox_take(&returned));
	hang_up(&peer);
	mailbox_free(&returned);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_conn_that_is_closed_hangs_up),
	cmocka_unit_test(a_conn_that_is_kept_goes_back_to_its_mailbox_still_open),
	cmocka_unit_test(a_descriptor_that_is_detached_is_the_callers),
	cmocka_unit_test(a_response_that_is_ended_or_aborted_leaves_its_connection_to_be_kept),
	cmocka_unit_test(a_response_whose_peer_has_gone_or_does_not_read_is_closed),
};

RUN_TESTS(tests)
