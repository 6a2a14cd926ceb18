/* POST /msg. Runs in whichever thread read the request, a worker's or intake's. It
 * touches no store: the writer commits, and answers. */

#include "app/serve/msg.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "app/access/credentials.h"
#include "app/publish/submission.h"

size_t
msg_body_max(size_t max_message_bytes)
{
	return 6 * max_message_bytes + (1 << 20);
}

void
msg_refuse_large(struct request *request)
{
	reply_error(&request->reply, 413, NULL, "the body is too large: send a shorter message,"
	    " or fewer lines at once");
}

bool
msg_is_encoded(struct request *request)
{
	if (request->content_encoding == NULL
	    || strcasecmp(request->content_encoding, "identity") == 0)
		return false;
	reply_error(&request->reply, 415, NULL, "Content-Encoding must be identity: send the body"
	    " as it is, not compressed");
	return true;
}

struct intake_judgement
msg_judge(struct service *service, struct request *request)
{
	struct intake_judgement judgement = { .verdict = INTAKE_ANSWERED };
	size_t max = msg_body_max(atomic_load(&service->max_message_bytes));
	struct identity id;

	if (!credentials_check(service->auth, request,
	    CREDENTIALS_HEADER | CREDENTIALS_COOKIE, &id))
		return judgement;
	if (request->content_length != NULL && strtoull(request->content_length, NULL, 10) > max) {
		msg_refuse_large(request);
	} else if (!msg_is_encoded(request)) {
		judgement.verdict = INTAKE_GATHER;
		judgement.body_max_bytes = max;
		judgement.user = id.user;
		id.user = NULL;
	}
	identity_free(&id);
	return judgement;
}

/* skip_bom passes over what some editors begin a file with. */
static const char *
skip_bom(const char *body, size_t *len)
{
	static const char bom[] = "\xef\xbb\xbf";

	if (*len < strlen(bom) || memcmp(body, bom, strlen(bom)) != 0)
		return body;
	*len -= strlen(bom);
	return body + strlen(bom);
}

void
msg_handle(struct service *service, struct request *request)
{
	/* A GET can be had of a browser by any link: only the header counts. */
	bool is_get = strcmp(request->method, "GET") == 0;
	size_t body_len = request->body.len;
	const char *body = skip_bom(request->body.bytes, &body_len);
	struct publication p;
	struct identity id;
	int status;

	if (!credentials_check(service->auth, request, is_get
	    ? CREDENTIALS_HEADER : CREDENTIALS_HEADER | CREDENTIALS_COOKIE, &id))
		return;
	if (!is_get && msg_is_encoded(request))
		goto done;
	status = publication_parse(&p, request->query, is_get ? NULL : request->content_type,
	    body, body_len, atomic_load(&service->max_message_bytes));
	if (status == 0) {
		status = publication_authorize(&p, &id);
		if (status != 0)
			denials_add(auth_denials(service->auth), DENIAL_SCOPE);
		if (status == 0 && submission_give(service->writer, &p, id.user, &request->reply) == 0)
			goto done;
		if (status == 0)
			reply_error(&request->reply, 503, "Retry-After: 1\r\n",
			    "nothing was stored: too many messages wait to be committed; try again");
		else
			reply_error(&request->reply, status, NULL, p.error);
		publication_free(&p);
	} else {
		reply_error(&request->reply, status, NULL, p.error);
	}
done:
	identity_free(&id);
}
