/* Puts a verdict into words. Any thread: nothing is touched. What exactly is
 * wrong stands in the log; whoever sent the token is told no more than helps
 * those who may have one. */

#include "app/access/verdict.h"

#include <stddef.h>

const char *
verdict_sentence(unsigned verdict)
{
	static const struct { enum verdict fault; const char *sentence; } sentences[] = {
		{ VERDICT_INVALID, "token is invalid" },
		{ VERDICT_EXPIRED, "token is expired" },
		{ VERDICT_NOT_YET, "token is not valid yet" },
		{ VERDICT_NO_USER, "token names no user" },
		{ VERDICT_ISSUER, "token has another issuer" },
		{ VERDICT_AUDIENCE, "token is for another audience" },
		{ VERDICT_REVOKED, "token was revoked" },
	};

	for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
		if (verdict & sentences[i].fault)
			return sentences[i].sentence;
	return NULL;
}

void
verdict_refuse(unsigned verdict, struct reply *reply)
{
	reply_error(reply, 401, "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n",
	    verdict_sentence(verdict));
}
