/* Catch-up alone, before a store with a gate. The first page that is asked for
 * stands at the gate while a test asks for the others. */

#include "tests/unit/check.h"
#include "tests/unit/dice.h"
#include "tests/unit/hub/gate.h"

#include "app/hub/catchup.h"
#include "lib/mem.h"

static struct mailbox done;
static struct catchup *catchup;
static struct filter filters[26];
static char names[26][2];

static void
begin_to_learn(int n)
{
	gate_begin(3);
	gate.n_to_learn = n;
	for (int i = 0; i < 26; i++) {
		names[i][0] = (char)('a' + i);
		filters[i].user = names[i];
	}
	mailbox_init(&done);
	catchup = catchup_start("the gate", &done);
	assert_non_null(catchup);
}

static void
end(void)
{
	mailbox_free(&done);
}

static void
begin(void)
{
	begin_to_learn(0);
}

/* ask returns the page for that user, a letter. */
static struct page *
ask(char user)
{
	struct page *page = page_new(NULL, &filters[user - 'a'], 0);

	catchup_ask(catchup, page);
	return page;
}

/* take_back frees the pages that are back, and returns how many. */
static size_t
take_back(bool failed)
{
	struct mail *mail, *next;
	size_t n = 0;

	for (mail = mailbox_take(&done); mail != NULL; mail = next, n++) {
		struct page *page = CONTAINER_OF(mail, struct page, mail);

		next = mail->next;
		assert_int_equal(page->failed, failed);
		page_free(page);
	}
	return n;
}

/* expect_readings lets in who stands at the gate, and whoever comes after him:
 * these users, in this order, and no more. */
static void
expect_readings(const char *users)
{
	size_t from = gate.n_readings - 1, n = strlen(users);

	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			gate_expect();
		gate_let_in(1);
	}
	assert_true(gate_is_quiet());
	assert_int_equal(gate.n_readings, from + n);
	assert_memory_equal(gate.users + from, users, n);
	assert_int_equal(take_back(false), n);
}

static void
stop(void)
{
	catchup_stop(catchup);
	assert_int_equal(take_back(true), 0);
}

static void
expect_learned(int n)
{
	while (n-- > 0)
		sem_wait(&gate.learned);
}

TEST(who_has_nothing_to_read_learns_until_there_is_no_more_and_after_each_page)
{
	begin_to_learn(4);
	expect_learned(5);
	gate.n_to_learn = 1;
	ask('a');
	gate_expect();
	ask('b');
	gate_let_in(1);
	gate_expect();
	assert_int_equal(sem_trywait(&gate.learned), -1);  /* not while somebody waits */
	gate_let_in(1);
	expect_learned(2);
	assert_int_equal(take_back(false), 2);
	stop();
	end();
}

TEST(a_page_is_what_the_store_has_and_says)
{
	struct page *page;

	begin();
	page = ask('a');
	gate_expect();
	gate_let_in(1);
	mailbox_wait(&done, GATE_PATIENCE_S * 1000);
	assert_ptr_equal(mailbox_take(&done), &page->mail);
	assert_false(page->failed);
	assert_int_equal(page->n, 3);
	assert_int_equal(page->last_id, 3);
	assert_int_equal(page->upto, 3);
	assert_int_equal(page->bounds.newest, 3);
	assert_int_equal(page->gap, GAP_NONE);
	page_free(page);
	stop();
	end();
}

TEST(one_page_of_a_user_waits_for_one_of_another_however_many_those_are)
{
	begin();
	ask('a');
	gate_expect();
	for (int i = 0; i < 10; i++)
		ask('a');
	ask('b');
	expect_readings("aabaaaaaaaaa");
	stop();
	end();
}

TEST(users_take_turns_and_each_one_s_pages_keep_their_order)
{
	begin();
	ask('a');
	gate_expect();
	for (const char *user = "aaabbcddd"; *user != '\0'; user++)
		ask(*user);
	expect_readings("aabcdabdad");
	stop();
	end();
}

TEST(who_asks_again_and_again_has_one_turn_in_each_go)
{
	begin();
	ask('a');
	gate_expect();
	ask('b');
	ask('c');
	ask('a');
	gate_let_in(1);
	gate_expect();          /* b's */
	assert_int_equal(take_back(false), 1);
	ask('b');
	ask('d');
	expect_readings("bcabd");
	assert_int_equal(gate.n_readings, 6);
	stop();
	end();
}

TEST(a_page_that_is_taken_back_is_not_read)
{
	struct page *pages[5];

	begin();
	pages[0] = ask('a');
	gate_expect();
	pages[1] = ask('a');
	pages[2] = ask('b');
	pages[3] = ask('b');
	pages[4] = ask('c');
	assert_false(catchup_forget(catchup, pages[0]));  /* is being read */
	for (int i = 1; i < 5; i++) {
		if (i == 3)
			continue;
		assert_true(catchup_forget(catchup, pages[i]));
		page_free(pages[i]);
	}
	expect_readings("ab");
	stop();
	end();
}

TEST(a_page_that_is_back_cannot_be_taken_back)
{
	struct page *page;

	begin();
	page = ask('a');
	gate_expect();
	gate_let_in(1);
	mailbox_wait(&done, GATE_PATIENCE_S * 1000);
	assert_false(catchup_forget(catchup, page));
	assert_int_equal(take_back(false), 1);
	stop();
	end();
}

TEST(a_stop_gives_back_as_failed_what_waits_and_reads_it_no_more)
{
	begin();
	atomic_store(&gate.fails, true);
	ask('a');
	gate_expect();
	for (const char *user = "aaabbcddd"; *user != '\0'; user++)
		ask(*user);
	gate_let_in(100);
	catchup_stop(catchup);
	assert_int_equal(take_back(true), 10);
	end();
}

TEST(any_pages_asked_and_taken_back_are_each_read_or_taken_back_once)
{
	enum { PAGES = 400 };

	dice_begin();
	begin();
	gate_let_in(PAGES);
	{
		struct page *pages[PAGES];
		size_t n_forgotten = 0, n_back = 0;

		for (size_t i = 0; i < PAGES; i++) {
			pages[i] = ask((char)('a' + dice_throw(5)));
			/* A page that is back is freed here only, after the last forgetting. */
			if (dice_throw(3) == 0 && catchup_forget(catchup, pages[i])) {
				page_free(pages[i]);
				n_forgotten++;
			}
		}
		while (n_back + n_forgotten < PAGES) {
			mailbox_wait(&done, GATE_PATIENCE_S * 1000);
			n_back += take_back(false);
		}
		assert_int_equal(gate.n_readings, n_back);
	}
	stop();
	end();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(who_has_nothing_to_read_learns_until_there_is_no_more_and_after_each_page),
	cmocka_unit_test(a_page_is_what_the_store_has_and_says),
	cmocka_unit_test(one_page_of_a_user_waits_for_one_of_another_however_many_those_are),
	cmocka_unit_test(users_take_turns_and_each_one_s_pages_keep_their_order),
	cmocka_unit_test(who_asks_again_and_again_has_one_turn_in_each_go),
	cmocka_unit_test(a_page_that_is_taken_back_is_not_read),
	cmocka_unit_test(a_page_that_is_back_cannot_be_taken_back),
	cmocka_unit_test(a_stop_gives_back_as_failed_what_waits_and_reads_it_no_more),
	cmocka_unit_test(any_pages_asked_and_taken_back_are_each_read_or_taken_back_once),
};

RUN_TESTS(tests)
