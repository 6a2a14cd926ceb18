/* POST /msg. Runs in whichever thread read the request, a worker's or intake's. It
 * touches no store: the writer commits, and answers. */

#include "app/serve/msg.h"

#include <string.h>

#include "app/access/credentials.h"

size_t
msg_body_max(size_t max_message_bytes)
{
	return 6 * max_message_bytes + (1 << 20);
}

void
msg_handle(struct service *service, struct request *request)
{
	/* A GET can be had of a browser by any link: only the header counts. */
	bool is_get = strcmp(request->method, "GET") == 0;
	struct publication p;
	struct identity id;
	int status;

	if (!credentials_check(service->auth, request, is_get
	    ? CREDENTIALS_HEADER : CREDENTIALS_HEADER | CREDENTIALS_COOKIE, &id))
		return;
	status = publication_parse(&p, request->query,
	    is_get ? NULL : request->content_type,
	    request->body.bytes, request->body.len, atomic_load(&service->max_message_bytes));
	if (status == 0) {
		status = publication_authorize(&p, &id);
		if (status == 0 && writer_submit(service->writer, &p, id.user, &request->reply) == 0)
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
