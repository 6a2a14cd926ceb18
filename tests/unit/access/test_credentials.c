#include "tests/unit/check.h"
#include "tests/unit/harness.h"
#include "tests/unit/hs256.h"

#include <sys/socket.h>

#include "app/access/credentials.h"
#include "lib/mem.h"

enum { ANYWHERE = CREDENTIALS_HEADER | CREDENTIALS_COOKIE | CREDENTIALS_QUERY };

static struct auth *auth;
static char *good;  /* a token; owned */
static char answer[1024];  /* to the last request that was refused */

static int
setup(void **state __attribute__((unused)))
{
	auth = auth_of_conf();
	good = auth_sign(auth, "42", NULL, 0, NULL, 3600);
	assert_non_null(good);
	return 0;
}

static int
teardown(void **state __attribute__((unused)))
{
	auth_close(auth);
	free(good);
	return 0;
}

/* ---- verbs ---- */

static uint64_t
n_denials(void)
{
	uint64_t n[DENIALS], sum = 0;

	denials_read(auth_denials(auth), n);
	for (size_t i = 0; i < DENIALS; i++)
		sum += n[i];
	return sum;
}

/* status_of has the request checked: 0 where it may go on as user 42, else the
 * status it was answered with. Each %s in a string stands for a good token. */
static int
status_of(struct request request, unsigned places)
{
	const char **texts[] = { &request.authorization, &request.cookie, &request.query };
	char *copies[3] = { NULL, NULL, NULL };
	struct identity id;
	struct peer peer;
	int status = 0;
	uint64_t before;
	ssize_t n;

	for (size_t i = 0; i < 3; i++) {
		const char *at = *texts[i] != NULL ? strstr(*texts[i], "%s") : NULL;

		if (at == NULL)
			continue;
		copies[i] = mem_printf("%.*s%s%s", (int)(at - *texts[i]), *texts[i], good, at + 2);
		*texts[i] = copies[i];
	}
	if (request.query == NULL)
		request.query = "";
	if (request.method == NULL)
		request.method = "GET";
	request.reply.conn = conn_of(peer_pair(&peer));
	before = n_denials();
	if (credentials_check(auth, &request, places, &id)) {
		assert_string_equal(id.user, "42");
		identity_free(&id);
		reply_drop(&request.reply);
	} else {
		n = recv(peer.fd, answer, sizeof(answer) - 1, MSG_DONTWAIT);
		assert_in_range(n, 9, sizeof(answer) - 1);
		answer[n] = '\0';
		assert_int_equal(sscanf(answer + 8, "Status: %d ", &status), 1);
	}
	/* Once, however many tokens there were. */
	assert_int_equal(n_denials(), before + (status != 0));
	hang_up(&peer);
	for (size_t i = 0; i < 3; i++)
		free(copies[i]);
	return status;
}

#define EXPECT(status, places, ...) \
	assert_int_equal(status_of((struct request){ __VA_ARGS__ }, places), status)

/* ---- where the token stands ---- */

TEST(a_token_comes_in_the_header_the_cookie_or_the_query)
{
	EXPECT(0, ANYWHERE, .authorization = "Bearer %s");
	EXPECT(0, ANYWHERE, .authorization = "bEARER  %s");
	EXPECT(0, ANYWHERE, .cookie = "a=b; rowcast_token=%s; c=d");
	EXPECT(0, ANYWHERE, .cookie = "rowcast_token=\"%s\"");
	EXPECT(0, ANYWHERE, .cookie = " \trowcast_token=%s");
	EXPECT(0, ANYWHERE, .cookie = "xrowcast_token=a; a rowcast_token=b; ;; \t rowcast_token=%s");
	EXPECT(0, ANYWHERE, .cookie = "rowcast_tokenrowcast_token=b;rowcast_token=%s");
	EXPECT(0, ANYWHERE, .query = "topic=t&token=%s");
	EXPECT(0, ANYWHERE, .query = "token=Bearer+%s");
}

TEST(a_place_that_is_not_asked_for_does_not_count)
{
	EXPECT(400, CREDENTIALS_HEADER, .cookie = "rowcast_token=%s", .query = "token=%s");
	EXPECT(400, CREDENTIALS_HEADER | CREDENTIALS_COOKIE, .query = "token=%s");
}

TEST(the_first_place_with_a_token_decides)
{
	EXPECT(401, ANYWHERE, .authorization = "Bearer x", .cookie = "rowcast_token=%s");
	EXPECT(401, ANYWHERE, .authorization = "Bearer x", .query = "token=%s");
	EXPECT(401, ANYWHERE, .query = "token=x", .cookie = "rowcast_token=%s");
	EXPECT(0, ANYWHERE, .query = "token=%s", .cookie = "rowcast_token=x");
	EXPECT(401, CREDENTIALS_HEADER | CREDENTIALS_COOKIE, .cookie = "rowcast_token=x",
	    .query = "token=%s");
	EXPECT(0, ANYWHERE, .authorization = "Basic eDp5", .cookie = "rowcast_token=%s");
	EXPECT(0, ANYWHERE, .authorization = "Bearer ", .query = "token=%s");
}

TEST(a_place_without_text_has_no_token)
{
	EXPECT(400, ANYWHERE, .authorization = "Bearer ");
	EXPECT(400, ANYWHERE, .cookie = "rowcast_token=; xrowcast_token=%s");
	EXPECT(400, ANYWHERE, .cookie = "rowcast_token=; rowcast_token=\"\"; rowcast_token");
	EXPECT(0, ANYWHERE, .cookie = "rowcast_token=; rowcast_token=%s");
	EXPECT(0, ANYWHERE, .cookie = "rowcast_token=%s", .query = "token=");
	EXPECT(0, ANYWHERE, .cookie = "rowcast_token=%s", .query = "token=Bearer%20");
	EXPECT(400, ANYWHERE, .query = "token=");
	EXPECT(400, ANYWHERE, .query = "token=Bearer+");
	EXPECT(400, ANYWHERE, .query = "token=Bearer%20%20");
	EXPECT(0, ANYWHERE, .query = "token=Bearer+&token=%s");
}

TEST(the_first_valid_cookie_counts)
{
	EXPECT(0, ANYWHERE, .cookie = "rowcast_token=%s; rowcast_token=x");
	EXPECT(0, ANYWHERE, .cookie = "rowcast_token=x; rowcast_token=%s");
	EXPECT(0, ANYWHERE, .cookie = "rowcast_token=x;a=b;rowcast_token=y;; rowcast_token=\"z\"; "
	    "rowcast_token=\"%s\"");
	/* No more than four are tried, and empty ones are none. */
	EXPECT(0, ANYWHERE, .cookie = "rowcast_token=; rowcast_token=; rowcast_token=1; "
	    "rowcast_token=2; rowcast_token=3; rowcast_token=%s");
	EXPECT(401, ANYWHERE, .cookie = "rowcast_token=1; rowcast_token=2; rowcast_token=3; "
	    "rowcast_token=4; rowcast_token=%s");
}

TEST(who_fails_with_all_cookies_is_told_about_the_first)
{
	char *expired = hs256_sign(HARNESS_SECRET, "{\"alg\":\"HS256\"}", "{\"sub\":1,\"exp\":1}");
	char *cookie = mem_printf("rowcast_token=%s; rowcast_token=x", expired);

	EXPECT(401, ANYWHERE, .cookie = cookie);
	expect_text(answer + 8, "{\"error\":\"token is expired\"}");
	free(cookie);
	cookie = mem_printf("rowcast_token=x; rowcast_token=%s", expired);
	EXPECT(401, ANYWHERE, .cookie = cookie);
	expect_text(answer + 8, "{\"error\":\"token is invalid\"}");
	free(cookie);
	free(expired);
}

TEST(a_bad_token_is_told_why_and_that_it_is_the_token)
{
	static const struct { const char *claims, *sentence; } bad[] = {
		{ "{\"sub\":1,\"scope\":7}", "token is invalid" },
		{ "{\"sub\":1,\"exp\":1}", "token is expired" },
		{ "{\"sub\":1,\"nbf\":4000000000}", "token is not valid yet" },
		{ "{}", "token names no user" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *token = hs256_sign(HARNESS_SECRET, "{\"alg\":\"HS256\"}", bad[i].claims);
		char *bearer = mem_printf("Bearer %s", token);
		char *body = mem_printf("\r\n\r\n{\"error\":\"%s\"}", bad[i].sentence);

		EXPECT(401, ANYWHERE, .authorization = bearer);
		expect_text(answer + 8, "\r\nWWW-Authenticate: Bearer error=\"invalid_token\"\r\n");
		expect_text(answer + 8, body);
		free(body);
		free(bearer);
		free(token);
	}
}

TEST(a_browser_whose_token_is_expired_is_told_in_a_stream)
{
	char *expired = hs256_sign(HARNESS_SECRET, "{\"alg\":\"HS256\"}", "{\"sub\":1,\"exp\":1}");
	char *bearer = mem_printf("Bearer %s", expired), *cookie = mem_printf("rowcast_token=%s", expired);
	char *query = mem_printf("token=%s", expired);
	const struct request by[] = {
		{ .authorization = bearer }, { .cookie = cookie }, { .query = query },
	};

	for (size_t i = 0; i < 3; i++) {
		struct request request = by[i];
		long long retry_ms = 0;

		request.accept = "text/event-stream";
		assert_int_equal(status_of(request, ANYWHERE | CREDENTIALS_STREAM), 200);
		expect_text(answer + 8, "\r\nContent-Type: text/event-stream\r\n");
		expect_text(answer + 8, "\nevent: rowcast.expired\n"
		    "data: {\"reason\":\"the token has expired\"}\n\n");
		assert_int_equal(sscanf(strstr(answer + 8, "\r\n\r\n"), " retry: %lld", &retry_ms), 1);
		assert_in_range(retry_ms, 30000, 60000);
		request.accept = "*/*";
		assert_int_equal(status_of(request, ANYWHERE | CREDENTIALS_STREAM), 401);
		request.accept = NULL;
		assert_int_equal(status_of(request, ANYWHERE | CREDENTIALS_STREAM), 401);
		request.accept = "application/json, Text/Event-Stream;q=0.5";
		assert_int_equal(status_of(request, ANYWHERE), 401);
		assert_int_equal(status_of(request, ANYWHERE | CREDENTIALS_STREAM), 200);
	}
	free(query);
	free(cookie);
	free(bearer);
	free(expired);
}

TEST(a_token_with_another_fault_gets_401_from_a_stream_too)
{
	static const char *const claims[] = {
		"{\"sub\":\"\",\"exp\":1}", "{\"exp\":1}", "{\"sub\":1,\"exp\":1,\"nbf\":4000000000}",
		"{\"sub\":1,\"exp\":1,\"scope\":7}", "{\"sub\":1,\"nbf\":4000000000}",
	};

	for (size_t i = 0; i <= sizeof(claims) / sizeof(claims[0]); i++) {
		char *token = i > 0 ? hs256_sign(HARNESS_SECRET, "{\"alg\":\"HS256\"}", claims[i - 1])
		    : hs256_sign("another secret", "{\"alg\":\"HS256\"}", "{\"sub\":1,\"exp\":1}");
		char *bearer = mem_printf("Bearer %s", token);

		EXPECT(401, ANYWHERE | CREDENTIALS_STREAM, .authorization = bearer,
		    .accept = "text/event-stream");
		free(bearer);
		free(token);
	}
}

TEST(who_has_no_token_is_told_where_one_may_be_put)
{
	EXPECT(400, ANYWHERE, .query = "");
	expect_text(answer + 8, "{\"error\":\"token is required: send it in the header Authorization:"
	    " Bearer TOKEN, as ?token=TOKEN, or in the cookie rowcast_token\"}");
	EXPECT(400, CREDENTIALS_HEADER | CREDENTIALS_COOKIE, .query = "");
	expect_text(answer + 8, "{\"error\":\"token is required: send it in the header Authorization:"
	    " Bearer TOKEN, or in the cookie rowcast_token\"}");
	EXPECT(400, CREDENTIALS_HEADER, .query = "");
	expect_text(answer + 8, "{\"error\":\"token is required: send it in the header Authorization:"
	    " Bearer TOKEN\"}");
}

/* ---- other sites ---- */

TEST(a_cookie_does_not_speak_for_another_site)
{
	EXPECT(403, ANYWHERE, .method = "POST", .cookie = "rowcast_token=%s",
	    .sec_fetch_site = "cross-site");
	EXPECT(403, ANYWHERE, .method = "POST", .cookie = "rowcast_token=%s",
	    .sec_fetch_site = "same-site");
	EXPECT(403, ANYWHERE, .method = "POST", .cookie = "rowcast_token=%s",
	    .origin = "https://evil.example", .host = "page.example");
	EXPECT(403, ANYWHERE, .method = "POST", .cookie = "rowcast_token=%s",
	    .origin = "null", .host = "page.example");
	EXPECT(403, ANYWHERE, .method = "POST", .cookie = "rowcast_token=%s",
	    .origin = "https://page.example");
	/* Not even to be told whether it is a good one. */
	EXPECT(403, ANYWHERE, .method = "POST", .cookie = "rowcast_token=x",
	    .sec_fetch_site = "cross-site");
}

TEST(a_cookie_speaks_for_its_own_page_and_for_what_is_no_browser)
{
	EXPECT(0, ANYWHERE, .method = "POST", .cookie = "rowcast_token=%s",
	    .sec_fetch_site = "same-origin");
	EXPECT(0, ANYWHERE, .method = "POST", .cookie = "rowcast_token=%s",
	    .origin = "https://Page.example", .host = "page.example");
	EXPECT(0, ANYWHERE, .method = "POST", .cookie = "rowcast_token=%s");
	EXPECT(0, ANYWHERE, .method = "POST", .cookie = "rowcast_token=%s",
	    .reply = { .allow_origin = "https://friend.example" },
	    .origin = "https://friend.example", .host = "page.example",
	    .sec_fetch_site = "cross-site");
}

TEST(a_header_or_reading_needs_no_such_proof)
{
	EXPECT(0, ANYWHERE, .method = "POST", .authorization = "Bearer %s",
	    .sec_fetch_site = "cross-site");
	EXPECT(0, ANYWHERE, .method = "GET", .cookie = "rowcast_token=%s",
	    .sec_fetch_site = "cross-site");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_token_comes_in_the_header_the_cookie_or_the_query),
	cmocka_unit_test(a_place_that_is_not_asked_for_does_not_count),
	cmocka_unit_test(the_first_place_with_a_token_decides),
	cmocka_unit_test(a_place_without_text_has_no_token),
	cmocka_unit_test(the_first_valid_cookie_counts),
	cmocka_unit_test(who_fails_with_all_cookies_is_told_about_the_first),
	cmocka_unit_test(a_bad_token_is_told_why_and_that_it_is_the_token),
	cmocka_unit_test(a_browser_whose_token_is_expired_is_told_in_a_stream),
	cmocka_unit_test(a_token_with_another_fault_gets_401_from_a_stream_too),
	cmocka_unit_test(who_has_no_token_is_told_where_one_may_be_put),
	cmocka_unit_test(a_cookie_does_not_speak_for_another_site),
	cmocka_unit_test(a_cookie_speaks_for_its_own_page_and_for_what_is_no_browser),
	cmocka_unit_test(a_header_or_reading_needs_no_such_proof),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, setup, teardown);
}
