/* rowcast kick and rowcast revoke: each publishes one message on the topic of what rowcast
 * is told to do. Whoever reads the table, or the log, does it; none has to be running. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/command/command.h"
#include "app/command/outlet.h"
#include "app/command/manual.h"
#include "app/publish/field.h"
#include "lib/log.h"

struct arguments {
	struct command_conf conf;
	struct command_list user;  /* one: whose streams is too dear a question to guess */
};

static const struct manual_option options[] = {
	{ "user", "U", "whose streams; required", offsetof(struct arguments, user), true },
	{ 0 },
};

static const struct manual_exit exits[] = {
	{ 0, "it is stored, and its id is printed" },
	{ 1, "it is not; what is wrong stands on stderr" },
	{ 2, "it was wrongly used" },
	{ 0 },
};

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
tell(const struct command_conf *cc, const char *event, const struct message *of_user)
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
control(const struct manual *manual, int argc, char *argv[])
{
	struct arguments arguments = { 0 };
	char error[FIELD_ERROR_BYTES];
	struct field_reader reader = { .error = error };
	struct draft draft = { 0 };
	int status, rc = -1;

	if (!manual_read(manual, argc, argv, &arguments, &status))
		return status;
	if (arguments.user.n != 1) {
		size_t n = arguments.user.n;

		manual_free(manual, &arguments);
		return manual_misused(manual, n == 0 ? "whose streams? --user U is missing"
		    : "one user at a time: --user is given twice");
	}
	/* By the rules of /msg. */
	if (field_read(&reader, &draft, "user", &(struct field_value){ .kind = FIELD_TEXT,
	    .text = arguments.user.values[0], .len = strlen(arguments.user.values[0]) }) != 0)
		log_errorx("%s: %s", manual->name, error);
	else
		rc = tell(&arguments.conf, manual->name, &draft.message);
	message_free(&draft.message);
	manual_free(manual, &arguments);
	return rc == 0 ? 0 : 1;
}

static int
kick(int argc, char *argv[])
{
	return control(&manual_kick, argc, argv);
}

static int
revoke(int argc, char *argv[])
{
	return control(&manual_revoke, argc, argv);
}

const struct manual manual_kick = {
	.name = "kick",
	.run = kick,
	.summary = "ends a user's open streams, which may come back",
	.synopsis = "--user U",
	.description = "Ends the open streams of a user, on every machine, by a message on the topic"
	    " rowcast.control, whose id it prints. They are told when to come back, as on a restart.",
	.options = options,
	.exits = exits,
	.examples = (const struct manual_example[]){
		{ "rowcast kick --user 42", "the streams of user 42 end, and come back in some seconds" },
		{ "rowcast kick --user 42 -c /srv/app/rowcast.conf",
		    "the same of a rowcast with another configuration" },
		{ 0 },
	},
};

const struct manual manual_revoke = {
	.name = "revoke",
	.run = revoke,
	.summary = "ends them, and refuses all tokens of the user issued until now",
	.synopsis = "--user U",
	.description = "Ends the open streams of a user with rowcast.revoked, on every machine, and refuses"
	    " every token of that user that was issued (iat) up to this second, or does not say when it"
	    " was. One that is issued later is good. It is a message on the topic rowcast.control, whose"
	    " id is printed; it cannot be taken back.",
	.options = options,
	.exits = exits,
	.examples = (const struct manual_example[]){
		{ "rowcast revoke --user 42", "after the password of user 42 was changed, for instance" },
		{ "rowcast token --check TOKEN", "says `token was revoked` of one that this has met" },
		{ 0 },
	},
};
