/* What the handlers of requests work with; the same for all workers. */
#ifndef APP_SERVE_SERVICE_H
#define APP_SERVE_SERVICE_H

#include <stdatomic.h>

#include "app/access/auth.h"
#include "app/setting/conf.h"
#include "app/hub/hub.h"
#include "app/fastcgi/request.h"
#include "app/store/store.h"
#include "app/hub/tail.h"
#include "app/publish/writer.h"

struct service {
	const struct conf *conf;   /* as read at the start; see serve.c for what SIGHUP reloads */
	struct auth *auth;
	struct writer *writer;
	struct tail *tail;
	struct hub *hub;
	mono_us started_at;
	_Atomic size_t max_message_bytes;
	_Atomic int64_t retry_min_ms, retry_max_ms;
};

/* What one worker has for itself. */
struct worker {
	struct service *service;
	struct store *store;       /* a reader's handle */
};

/* A handler answers the request, now or later; it takes request->reply. */
typedef void handler(struct worker *worker, struct request *request);

#endif
