#include "tests/unit/check.h"
#include "tests/unit/fault.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>

#include "lib/clock.h"
#include "lib/mailbox.h"
#include "lib/mem.h"
#include "lib/thread.h"

enum {
	N_SENDERS = 4,
	N_LETTERS = 20000,      /* from each */
	LOST_AFTER_MS = 20000,  /* no machine is that slow: a wake-up was lost */
};

struct letter {
	struct mail mail;
	int sender, number;
};

static struct mailbox box;

static struct letter *
letter_of(struct mail *mail)
{
	return CONTAINER_OF(mail, struct letter, mail);
}

static bool
is_awake(void)
{
	struct pollfd p = { .fd = box.wake_fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

TEST(an_empty_box_is_quiet)
{
	mailbox_init(&box);
	assert_false(is_awake());
	assert_null(mailbox_take(&box));
	mailbox_free(&box);
}

TEST(letters_come_out_in_the_order_they_went_in)
{
	struct letter letters[3];
	struct mail *mail;

	mailbox_init(&box);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 3; i++)
			mailbox_put(&box, &letters[i].mail);
		assert_true(is_awake());
		mail = mailbox_take(&box);
		for (int i = 0; i < 3; i++, mail = mail->next)
			assert_ptr_equal(mail, &letters[i].mail);
		assert_null(mail);
		assert_false(is_awake());
		assert_null(mailbox_take(&box));
	}
	mailbox_free(&box);
}

TEST(a_wake_without_a_letter_wakes_once)
{
	mailbox_init(&box);
	mailbox_wake(&box);
	mailbox_wake(&box);
	assert_true(is_awake());
	mailbox_wait(&box, -1);
	assert_null(mailbox_take(&box));
	assert_false(is_awake());
	mailbox_free(&box);
}

TEST(a_letter_lies_there_until_it_is_taken_however_long_nobody_waits)
{
	struct letter letter;

	mailbox_init(&box);
	mailbox_put(&box, &letter.mail);
	assert_true(is_awake());
	mailbox_wait(&box, -1);
	mailbox_wait(&box, -1);
	assert_ptr_equal(mailbox_take(&box), &letter.mail);
	mailbox_free(&box);
}

TEST(a_wait_for_nothing_ends_when_its_time_is_up)
{
	mono_us before;

	mailbox_init(&box);
	before = clock_mono_us();
	mailbox_wait(&box, 20);
	assert_true(clock_mono_us() - before >= 20000);
	mailbox_wait(&box, 0);
	mailbox_free(&box);
}

static void *
send_all(void *arg)
{
	struct letter *letters = arg;

	for (int i = 0; i < N_LETTERS; i++)
		mailbox_put(&box, &letters[i].mail);
	return NULL;
}

/* wait_for returns what came, or NULL where nothing woke it for so long that a
 * wake-up must have been lost. *n_empty counts the looks that found nothing. */
static struct mail *
wait_for(struct mailbox *from, int *n_empty)
{
	mono_us lost = clock_mono_in_ms(LOST_AFTER_MS);
	struct mail *mail;

	for (; (mail = mailbox_take(from)) == NULL && clock_mono_us() < lost; ++*n_empty)
		mailbox_wait(from, LOST_AFTER_MS);
	return clock_mono_us() < lost ? mail : NULL;
}

TEST(from_many_threads_nothing_is_lost_and_each_one_s_order_is_kept)
{
	struct letter *letters = mem_alloc(N_SENDERS * N_LETTERS * sizeof(*letters));
	int next[N_SENDERS] = { 0 }, n = 0, n_empty = 0;
	pthread_t threads[N_SENDERS];

	mailbox_init(&box);
	for (int i = 0; i < N_SENDERS * N_LETTERS; i++)
		letters[i] = (struct letter){ .sender = i / N_LETTERS, .number = i % N_LETTERS };
	for (int i = 0; i < N_SENDERS; i++)
		thread_start(&threads[i], "sender", send_all, &letters[i * N_LETTERS]);
	while (n < N_SENDERS * N_LETTERS) {
		struct mail *mail = wait_for(&box, &n_empty), *following;

		assert_non_null(mail);
		for (; mail != NULL; mail = following, n++) {
			struct letter *letter = letter_of(mail);

			following = mail->next;
			assert_int_equal(letter->number, next[letter->sender]);
			next[letter->sender]++;
		}
	}
	for (int i = 0; i < N_SENDERS; i++)
		pthread_join(threads[i], NULL);
	assert_null(mailbox_take(&box));
	mailbox_free(&box);
	free(letters);
}

/* Two threads that hand one letter to and fro: each put must wake, since each
 * falls into an empty box whose owner waits. */
static struct mailbox back;
enum { N_TURNS = 20000 };

static void *
send_back(void *arg)
{
	int n_empty = 0;

	for (int i = 0; i < N_TURNS; i++) {
		struct mail *mail = wait_for(&box, &n_empty);

		if (mail == NULL)
			return arg;
		mailbox_put(&back, mail);
	}
	return NULL;
}

TEST(a_letter_handed_to_and_fro_never_loses_its_wake_up)
{
	struct letter letter = { .number = 0 };
	int n_empty = 0;
	pthread_t thread;
	void *failed;

	mailbox_init(&box);
	mailbox_init(&back);
	thread_start(&thread, "echo", send_back, &letter);
	for (int i = 0; i < N_TURNS; i++) {
		mailbox_put(&box, &letter.mail);
		assert_ptr_equal(wait_for(&back, &n_empty), &letter.mail);
	}
	pthread_join(thread, &failed);
	assert_null(failed);
	/* Before each wait, and once more where the letter was found before its
	 * wake-up came. More would be going round instead of sleeping. */
	assert_in_range(n_empty, 0, 2 * N_TURNS);
	mailbox_free(&back);
	mailbox_free(&box);
}

static void
open_in_vain(void)
{
	refuse(SYS_eventfd2, EMFILE);
	mailbox_init(&box);
}

TEST(without_a_descriptor_the_process_says_so_and_ends)
{
	ends(open_in_vain, EXIT_1, "error: mailbox: eventfd: Too many open files\n");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_empty_box_is_quiet),
	cmocka_unit_test(letters_come_out_in_the_order_they_went_in),
	cmocka_unit_test(a_wake_without_a_letter_wakes_once),
	cmocka_unit_test(a_letter_lies_there_until_it_is_taken_however_long_nobody_waits),
	cmocka_unit_test(a_wait_for_nothing_ends_when_its_time_is_up),
	cmocka_unit_test(from_many_threads_nothing_is_lost_and_each_one_s_order_is_kept),
	cmocka_unit_test(a_letter_handed_to_and_fro_never_loses_its_wake_up),
	cmocka_unit_test(without_a_descriptor_the_process_says_so_and_ends),
};

RUN_TESTS(tests)
