/* rowcast token: signs a token with the configured key and prints it. One thread; it
 * reads the configuration and the key files, nothing else. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/access/auth.h"
#include "app/command/command.h"
#include "lib/mem.h"
#include "lib/units.h"

static const char usage[] = "token --user U [--topic T]... [--scope S] [--ttl 1h]"
    " [-c FILE] [-o KEY=VALUE]...";

enum { DEFAULT_TTL_MS = 3600 * 1000 };

/* print_token returns the exit status. */
static int
print_token(const struct command_conf *cc, const char *user, char *const topics[],
    size_t n_topics, const char *scope, int64_t ttl_ms)
{
	struct conf conf;
	struct auth *auth;
	char *token = NULL;

	if (command_conf_load(cc, &conf) < 0)
		return 1;
	auth = auth_open(&conf);
	if (auth != NULL)
		token = auth_sign(auth, user, topics, n_topics, scope, ttl_ms / 1000);
	if (token != NULL)
		puts(token);
	free(token);
	auth_close(auth);
	conf_free(&conf);
	return token != NULL ? 0 : 1;
}

int
command_token(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "user", required_argument, NULL, 'u' },
		{ "topic", required_argument, NULL, 't' },
		{ "scope", required_argument, NULL, 's' },
		{ "ttl", required_argument, NULL, 'l' },
		{ 0 },
	};
	struct command_conf cc = { 0 };
	const char *user = NULL, *scope = NULL;
	char **topics = mem_alloc((size_t)argc * sizeof(char *));
	size_t n_topics = 0;
	int64_t ttl_ms = DEFAULT_TTL_MS;
	int option, status = -1;

	while ((option = getopt_long(argc, argv, COMMAND_CONF_SHORT, options, NULL)) != -1) {
		switch (option) {
		case 'u':
			user = optarg;
			break;
		case 't':
			topics[n_topics++] = optarg;
			break;
		case 's':
			scope = optarg;
			break;
		case 'l':
			if (units_time_ms(optarg, &ttl_ms) == 0 && ttl_ms >= 1000)
				break;
			fprintf(stderr, "--ttl must be a time like 30s, 10m or 1h\n");
			goto done;
		case '?':
			goto done;
		default:
			command_conf_option(&cc, option);
		}
	}
	if (user == NULL || *user == '\0' || optind < argc)
		goto done;
	status = print_token(&cc, user, topics, n_topics, scope, ttl_ms);
done:
	free(topics);
	command_conf_free(&cc);
	return status >= 0 ? status : command_usage(usage);
}
