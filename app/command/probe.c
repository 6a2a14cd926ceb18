/* rowcast probe: what the proxies on the way do to a stream. One thread; it talks to the
 * web server alone, as a browser does. Without --token it reads the configuration and
 * signs one for a user of its own. */

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "app/access/auth.h"
#include "app/command/command.h"
#include "app/command/manual.h"
#include "app/probe/probe.h"
#include "lib/base64.h"
#include "lib/mem.h"
#include "lib/random.h"
#include "lib/units.h"

struct arguments {
	struct command_conf conf;
	const char *token, *silence, *url;
};

static const struct manual_option options[] = {
	{ "token", "T", "of any user, to whom the messages are sent that are looked for; `-`: read from"
	    " stdin, since others see a command line. Without it, one is signed with the configured"
	    " key", offsetof(struct arguments, token), false },
	{ "for", "T", "the longest silence that is tried; 60s by default", offsetof(struct arguments, silence),
	    false },
	{ 0 },
};

enum {
	SILENCE_MS = 60 * 1000,
	SILENCE_MOST_MS = 24 * 3600 * 1000,
	OWN_TTL_MORE_S = 300,       /* of a token that is signed here, beyond the silence */
};

/* token_of_stdin returns the first line of stdin, for --token -: what stands on a command
 * line everybody on this machine can read. The caller frees it; NULL: there is none. */
static char *
token_of_stdin(void)
{
	char line[AUTH_TOKEN_MAX_BYTES + 2];

	if (fgets(line, sizeof(line), stdin) == NULL)
		return NULL;
	line[strcspn(line, "\r\n")] = '\0';
	return mem_strdup(line);
}

/* token_of_own signs one for a user that nobody else is, and that may see in /presence
 * whether it is missed. NULL: logged. */
static char *
token_of_own(const struct command_conf *cc, int64_t silence_ms)
{
	char *user = mem_printf("rowcast-probe-%08x", (unsigned)random_between(0, 0x7fffffff));
	char *token = NULL;
	struct auth *auth = NULL;
	struct conf conf;

	if (command_conf_load(cc, &conf) == 0) {
		auth = auth_open(&conf);
		if (auth != NULL)
			token = auth_sign(auth, user, NULL, 0, "rowcast:admin", silence_ms / 1000 + OWN_TTL_MORE_S);
		auth_close(auth);
		conf_free(&conf);
	}
	free(user);
	return token;
}

/* user_of_token reads the claim `sub`, unchecked: it only says whom to ask /presence for.
 * The caller frees it; NULL: it names nobody that way. */
static char *
user_of_token(const char *token)
{
	const char *payload = strchr(token, '.'), *end = payload != NULL ? strchr(payload + 1, '.') : NULL;
	struct buf text = BUF_EMPTY;
	char *user = NULL;
	json_t *claims;

	if (end == NULL || base64url_decode(&text, payload + 1, (size_t)(end - payload - 1)) < 0) {
		buf_free(&text);
		return NULL;
	}
	claims = json_loadb(text.bytes != NULL ? text.bytes : "", text.len, 0, NULL);
	if (json_is_string(json_object_get(claims, "sub")))
		user = mem_strdup(json_string_value(json_object_get(claims, "sub")));
	else if (json_is_integer(json_object_get(claims, "sub")))
		user = mem_printf("%lld", (long long)json_integer_value(json_object_get(claims, "sub")));
	json_decref(claims);
	buf_free(&text);
	return user;
}

/* is_token: may it stand in a field of HTTP? What it is worth rowcast says. */
static bool
is_token(const char *token)
{
	return *token != '\0' && token[strcspn(token, " \t\r\n\v\f")] == '\0';
}

/* probe looks through a token that is given, or signs one. */
static int
probe(const struct arguments *asked, int64_t silence_ms)
{
	char *token = asked->token == NULL ? token_of_own(&asked->conf, silence_ms)
	    : strcmp(asked->token, "-") == 0 ? token_of_stdin() : mem_strdup(asked->token);
	char *user;
	int status = 2;

	if (token == NULL && asked->token == NULL) {
		fputs("rowcast probe: without a token of its own it needs one: --token T, or --token - to read"
		    " it from stdin\n", stderr);
	} else if (token == NULL || !is_token(token)) {
		fputs("rowcast probe: what --token names is no token\n", stderr);
	} else {
		user = user_of_token(token);
		status = probe_run(asked->url, token, user, silence_ms);
		free(user);
	}
	free(token);
	return status;
}

static int
command_probe(int argc, char *argv[])
{
	struct arguments asked = { 0 };
	int64_t silence_ms = SILENCE_MS;
	int status;

	if (!manual_read(&manual_probe, argc, argv, &asked, &status))
		return status;
	if (asked.url == NULL)
		status = manual_misused(&manual_probe, "it needs the URL of /events");
	else if (asked.silence != NULL && (units_time_ms(asked.silence, &silence_ms) < 0
	    || silence_ms < 1 || silence_ms > SILENCE_MOST_MS))
		status = manual_misused(&manual_probe,
		    "--for must be a time like 30s, 5m or 1h, and a day at most");
	else
		status = probe(&asked, silence_ms);
	manual_free(&manual_probe, &asked);
	return status;
}

const struct manual manual_probe = {
	.name = "probe",
	.run = command_probe,
	.summary = "says what the proxies on the way do to a stream",
	.synopsis = "URL [--token T] [--for T]",
	.description = "Opens streams at the URL of /events, through whatever stands before rowcast, sends"
	    " messages to itself, and says what is in the way: events that are held back, compression, an"
	    " idle stream that is cut, clients that have gone and are not missed, how many streams fit;"
	    " and what to change in which server. It takes as long as the silence that it tries, and some"
	    " seconds. A certificate of one's own is trusted by SSL_CERT_FILE.",
	.options = options,
	.operand = { "URL", "URL", "of /events, as browsers reach it", offsetof(struct arguments, url), false },
	.exits = (const struct manual_exit[]){
		{ 0, "nothing is in the way" },
		{ 1, "a fault, which is named" },
		{ 2, "it could not run; why stands on stderr" },
		{ 0 },
	},
	.examples = (const struct manual_example[]){
		{ "rowcast probe http://localhost/events", "with a token that it signs" },
		{ "rowcast probe https://example.org/events --token - --for 5m <token",
		    "from another machine, and for proxies that cut after minutes" },
		{ 0 },
	},
};
