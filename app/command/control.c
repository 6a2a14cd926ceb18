/* rowcast kick and rowcast revoke: each publishes one message on the topic of what rowcast
 * is told to do. Whoever reads the table, or the log, does it; none has to be running. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/command/command.h"
#include "app/command/outlet.h"
#include "app/publish/field.h"
#include "lib/log.h"

/* order publishes the message and prints its id. -1: logged. */
static int
order(struct outlet *outlet, struct message *message)
{
	struct append append = { .messages = message, .n = 1, .publisher = "" };
	struct append *appends[] = { &append };

	if (outlet_commit(outlet, appends, 1) != 0)
		return -1;
	if (append.refused) {
		log_errorx("%s: nothing was stored: the table refuses the message", outlet->command);
		return -1;
	}
	printf("%" PRId64 "\n", message->id);
	return command_flush();
}

static int
run(const struct command_conf *cc, const char *event, const struct message *of_user)
{
	char topic[] = MESSAGE_TOPIC_CONTROL, name[8], data[] = "";
	struct message message = { .user = of_user->user, .topic = topic, .event = name, .data = data };
	struct outlet outlet;
	struct conf conf;
	int rc = -1;

	snprintf(name, sizeof(name), "%s", event);
	if (command_conf_load(cc, &conf) < 0)
		return -1;
	if (outlet_open(&outlet, event, &conf) == 0)
		rc = order(&outlet, &message);
	outlet_close(&outlet);
	conf_free(&conf);
	return rc;
}

/* control does the command, whose name is the event's. */
static int
control(int argc, char *argv[], const char *event, const char *usage)
{
	static const struct option options[] = {
		{ "user", required_argument, NULL, 'u' },
		{ 0 },
	};
	struct command_conf cc = { 0 };
	char error[FIELD_ERROR_BYTES];
	struct field_reader reader = { .error = error };
	struct draft draft = { 0 };
	const char *user = NULL;
	int option, rc = -1;

	while ((option = getopt_long(argc, argv, COMMAND_CONF_SHORT, options, NULL)) != -1) {
		if (option == '?' || (option == 'u' && user != NULL))
			break;
		if (option == 'u')
			user = optarg;
		else
			command_conf_option(&cc, option);
	}
	if (option != -1 || user == NULL || optind < argc) {
		command_conf_free(&cc);
		return command_usage(usage);
	}
	/* By the rules of /msg. */
	if (field_read(&reader, &draft, "user", &(struct field_value){ .kind = FIELD_TEXT,
	    .text = user, .len = strlen(user) }) != 0)
		log_errorx("%s: %s", event, error);
	else
		rc = run(&cc, event, &draft.message);
	message_free(&draft.message);
	command_conf_free(&cc);
	return rc == 0 ? 0 : 1;
}

int
command_kick(int argc, char *argv[])
{
	return control(argc, argv, "kick", "kick --user U [-c FILE] [-o KEY=VALUE]...");
}

int
command_revoke(int argc, char *argv[])
{
	return control(argc, argv, "revoke", "revoke --user U [-c FILE] [-o KEY=VALUE]...");
}
