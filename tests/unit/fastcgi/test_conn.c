#include "tests/unit/check.h"
#include "tests/unit/harness.h"

#include <unistd.h>

#include "app/fastcgi/conn.h"
#include "lib/mailbox.h"

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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_conn_that_is_closed_hangs_up),
	cmocka_unit_test(a_conn_that_is_kept_goes_back_to_its_mailbox_still_open),
	cmocka_unit_test(a_descriptor_that_is_detached_is_the_callers),
};

RUN_TESTS(tests)
