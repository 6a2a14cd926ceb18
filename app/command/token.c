/* rowcast token: signs a token with the configured key and prints it, or says what one is
 * worth. One thread; it reads the configuration and the key files, and to check a token
 * the store, which knows who was revoked. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "app/access/auth.h"
#include "app/command/command.h"
#include "app/command/manual.h"
#include "app/store/store.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/terminal.h"
#include "lib/units.h"

enum {
	DEFAULT_TTL_MS = 3600 * 1000,
	STDIN_MAX_BYTES = AUTH_TOKEN_MAX_BYTES + 64,  /* with "Bearer " and line breaks */
};

struct arguments {
	struct command_conf conf;
	const char *user, *ttl, *check;
	struct command_list topics, scopes;
};

static const struct manual_option options[] = {
	{ "user", "U", "whose token it is", offsetof(struct arguments, user), false },
	{ "topic", "T", "a topic that it may subscribe to, or the beginning of such names and a *;"
	    " may be repeated", offsetof(struct arguments, topics), true },
	{ "scope", "S", IDENTITY_SCOPE_PUBLISH " (may send to others) or " IDENTITY_SCOPE_ADMIN " (may read"
	    " /status and /presence, and use the topics that begin with rowcast.); may be repeated, or"
	    " both with a blank between them", offsetof(struct arguments, scopes), true },
	{ "ttl", "T", "how long it is good, such as 30s, 10m, 1h or 7d; without it 1h",
	    offsetof(struct arguments, ttl), false },
	{ "check", "TOKEN", "signs none, but says what this one is worth here, or why nothing; - reads"
	    " it from stdin, so that it stands in no list of processes",
	    offsetof(struct arguments, check), false },
	{ 0 },
};

/* ---- signing ---- */

/* join returns the scopes as one text, NULL where there are none; the caller frees it. */
static char *
join(const struct command_list *scopes)
{
	struct buf text = BUF_EMPTY;

	if (scopes->n == 0)
		return NULL;
	for (size_t i = 0; i < scopes->n; i++)
		buf_printf(&text, "%s%s", i > 0 ? " " : "", scopes->values[i]);
	return buf_take(&text);
}

static int
refuse_scopes(const struct command_list *scopes)
{
	for (size_t i = 0; i < scopes->n; i++) {
		const char *unknown = identity_unknown_scope(scopes->values[i]);

		if (unknown != NULL) {
			log_errorx("token: there is no scope %.*s: the scopes are " IDENTITY_SCOPE_PUBLISH
			    " and " IDENTITY_SCOPE_ADMIN, (int)strcspn(unknown, " "), unknown);
			return -1;
		}
	}
	return 0;
}

static int
print_token(struct auth *auth, const struct arguments *asked, int64_t ttl_ms)
{
	char *scope = join(&asked->scopes);
	char *token = auth_sign(auth, asked->user, asked->topics.values, asked->topics.n, scope,
	    ttl_ms / 1000);
	int rc = token != NULL ? 0 : -1;

	if (token != NULL)
		puts(token);
	free(token);
	free(scope);
	return rc;
}

/* ---- checking ---- */

/* read_token returns what stands on stdin. NULL: logged. */
static char *
read_token(void)
{
	char bytes[STDIN_MAX_BYTES + 1];
	size_t len = fread(bytes, 1, STDIN_MAX_BYTES, stdin);

	if (ferror(stdin)) {
		log_error("token: stdin");
		return NULL;
	}
	bytes[len] = '\0';
	return mem_strdup(bytes);
}

/* trim returns the token alone, as it may be pasted: in place, without blanks around it
 * and without the `Bearer ` of a header. */
static char *
trim(char *text)
{
	text += strspn(text, " \t\r\n");
	if (strncasecmp(text, "Bearer ", strlen("Bearer ")) == 0)
		text += strlen("Bearer ");
	text += strspn(text, " ");
	text[strcspn(text, " \t\r\n")] = '\0';
	return text;
}

struct revoked {
	const struct identity *id;
	bool is;
};

static void
take_revoked(void *context, const char *user, wall_s until)
{
	struct revoked *revoked = context;

	if (strcmp(user, revoked->id->user) == 0 && revoked->id->issued_at <= until)
		revoked->is = true;
}

/* is_revoked asks the store. 1 or 0; -1 (logged): it cannot be asked. Where there is none
 * yet nobody was revoked. */
static int
is_revoked(const struct conf *conf, const struct identity *id)
{
	struct revoked revoked = { .id = id };
	struct store *store;
	int64_t after = 0;
	int rc = -1;

	if (access(strchr(conf->store, ':') + 1, F_OK) < 0 && errno == ENOENT)
		return 0;
	store = store_open(conf->store, STORE_READER);
	if (store != NULL)
		rc = store_read_revoked(store, &after, take_revoked, &revoked);
	store_close(store);
	if (rc < 0)
		log_errorx("token: whether it was revoked stands in the store, which cannot be read");
	return rc == 0 ? revoked.is : -1;
}

/* print_left prints how long, in the two largest units of it. */
static void
print_left(int64_t seconds)
{
	static const struct { int64_t s; const char *name; } units[] = {
		{ 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" },
	};
	size_t i = 0;

	while (i < 3 && seconds < units[i].s)
		i++;
	printf("%" PRId64 " %s", seconds / units[i].s, units[i].name);
	if (i < 3 && seconds % units[i].s >= units[i + 1].s)
		printf(" %" PRId64 " %s", seconds % units[i].s / units[i + 1].s, units[i + 1].name);
}

static void
print_expiry(struct expiry expiry)
{
	time_t at = (time_t)expiry.at;
	char text[32];
	struct tm utc;

	fputs("expires: ", stdout);
	if (!expiry.ends) {
		puts("never");
		return;
	}
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", gmtime_r(&at, &utc));
	printf("%s UTC, in ", text);
	print_left(expiry.at - clock_wall_s());
	putchar('\n');
}

static void
print_worth(const struct identity *id)
{
	fputs("user: ", stdout);
	terminal_print(id->user);
	fputs("\ntopics: ", stdout);
	for (size_t i = 0; i < id->n_topics; i++) {
		fputs(i > 0 ? ", " : "", stdout);
		terminal_print(id->topics[i]);
	}
	printf("%s\nscopes: %s%s%s%s\n", id->n_topics == 0 ? "none" : "",
	    id->may_publish ? IDENTITY_SCOPE_PUBLISH : "", id->may_publish && id->may_admin ? ", " : "",
	    id->may_admin ? IDENTITY_SCOPE_ADMIN : "", !id->may_publish && !id->may_admin ? "none" : "");
	print_expiry(id->expiry);
}

/* refuse says what the server would. What exactly is wrong helps where that is no more
 * than `invalid`; nobody is told it who has not the keys. */
static int
refuse(unsigned verdict, const char *why)
{
	bool is_vague = (verdict & (VERDICT_INVALID | VERDICT_NO_USER)) != 0
	    && (verdict & (VERDICT_EXPIRED | VERDICT_NOT_YET)) == 0;

	log_errorx("%s%s%s", verdict_sentence(verdict), is_vague ? ": " : "", is_vague ? why : "");
	return -1;
}

static int
check_token(const struct conf *conf, struct auth *auth, const char *token)
{
	struct identity id;
	const char *why;
	unsigned verdict = auth_explain(auth, token, &id, &why);
	int revoked;

	if (verdict != 0)
		return refuse(verdict, why);
	revoked = is_revoked(conf, &id);
	if (revoked == 0)
		print_worth(&id);
	else if (revoked > 0)
		refuse(VERDICT_REVOKED, NULL);
	identity_free(&id);
	return revoked == 0 ? 0 : -1;
}

static int
check(const struct conf *conf, struct auth *auth, const char *given)
{
	char *text = strcmp(given, "-") == 0 ? read_token() : mem_strdup(given);
	int rc = text != NULL ? check_token(conf, auth, trim(text)) : -1;

	free(text);
	return rc;
}

/* ---- the command ---- */

/* refuse_arguments says what is wrong with them; NULL: nothing. */
static const char *
refuse_arguments(const struct arguments *asked, int64_t *ttl_ms)
{
	if (asked->check != NULL)
		return asked->user != NULL || asked->ttl != NULL || asked->topics.n > 0 || asked->scopes.n > 0
		    ? "--check takes no other option: all else stands in the token" : NULL;
	if (asked->user == NULL || *asked->user == '\0')
		return "whose token? --user U is missing";
	if (asked->ttl != NULL && (units_time_ms(asked->ttl, ttl_ms) < 0 || *ttl_ms < 1000))
		return "--ttl must be a time like 30s, 10m or 1h";
	return NULL;
}

static int
run(int argc, char *argv[])
{
	struct arguments arguments = { 0 };
	int64_t ttl_ms = DEFAULT_TTL_MS;
	struct auth *auth = NULL;
	struct conf conf;
	const char *why;
	int status, rc = -1;

	if (!manual_read(&manual_token, argc, argv, &arguments, &status))
		return status;
	why = refuse_arguments(&arguments, &ttl_ms);
	if (why != NULL) {
		manual_free(&manual_token, &arguments);
		return manual_misused(&manual_token, "%s", why);
	}
	if (refuse_scopes(&arguments.scopes) == 0 && command_conf_load(&arguments.conf, &conf) == 0) {
		auth = auth_open(&conf);
		if (auth != NULL)
			rc = arguments.check != NULL ? check(&conf, auth, arguments.check)
			    : print_token(auth, &arguments, ttl_ms);
		auth_close(auth);
		conf_free(&conf);
	}
	manual_free(&manual_token, &arguments);
	return rc == 0 ? 0 : 1;
}

const struct manual manual_token = {
	.name = "token",
	.run = run,
	.summary = "prints a token signed with the configured key, or checks one",
	.synopsis = "--user U [--topic T]... [--scope S]... [--ttl T]\n--check TOKEN",
	.description = "Signs a token (a JWT) with the configured secret and prints it; only HS256, HS384 and"
	    " HS512 have a secret that can sign. With --check it says whose a token is, what it may do and"
	    " until when, or in the server's own words why it is refused, also where it was revoked.",
	.options = options,
	.exits = (const struct manual_exit[]){
		{ 0, "the token is printed; --check: it is good" },
		{ 1, "there is none, or --check: it is refused, or that cannot be told; why stands on stderr" },
		{ 2, "it was wrongly used" },
		{ 0 },
	},
	.examples = (const struct manual_example[]){
		{ "rowcast token --user 42 --topic prices --topic 'shop.*'",
		    "an hour for user 42, and two kinds of topics" },
		{ "rowcast token --user app --scope rowcast:publish --ttl 365d",
		    "for an application that publishes over HTTP" },
		{ "rowcast token --check - <token.txt", "why is it refused?" },
		{ 0 },
	},
};
