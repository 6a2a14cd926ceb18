/* What the handlers of requests work with: one of it, which serve.c owns and all
 * threads that serve requests share. Members do not change while they run, but for
 * the atomic ones; what they point to takes calls from any thread. */
#ifndef APP_SERVE_SERVICE_H
#define APP_SERVE_SERVICE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "app/access/auth.h"
#include "app/setting/conf.h"
#include "app/hub/hub.h"
#include "app/fastcgi/intake.h"
#include "app/fastcgi/request.h"
#include "app/hub/tail.h"
#include "app/node/node.h"
#include "app/publish/following.h"
#include "app/publish/writer.h"
#include "app/store/origin.h"

/* The paths that there are, and one for all others: requests are counted by them. */
enum service_path {
	SERVICE_EVENTS,
	SERVICE_MSG,
	SERVICE_HEALTHZ,
	SERVICE_METRICS,
	SERVICE_STATUS,
	SERVICE_PRESENCE,
	SERVICE_OTHER,
	SERVICE_PATHS,
};

extern const char *const service_paths[SERVICE_PATHS];

struct service {
	const struct conf *conf;   /* as read at the start; see serve.c for what SIGHUP reloads */
	struct auth *auth;
	struct writer *writer;
	struct following *following;
	struct tail *tail;
	struct hub *hub;
	struct node *node;         /* NULL where the machine is alone: no upstream is set */
	struct origin *origin;
	mono_us started_at;
	int64_t process_started_us;  /* since 1970 */
	struct reply_counts requests[SERVICE_PATHS];
	_Atomic uint64_t n_reloads, n_failed_reloads;
	_Atomic size_t max_message_bytes;
	_Atomic int64_t retry_min_ms, retry_max_ms, heartbeat_ms;
};

/* A handler answers the request, now or later; it takes request->reply. It runs in
 * the thread that read the request, intake's own among them, so it never waits. */
typedef void handler(struct service *service, struct request *request);

/* service_may_admin: does the request come from a direct peer of the socket, or have a token
 * with the scope rowcast:admin in one of these places (credentials.h)? false: it is answered. */
bool service_may_admin(struct service *service, struct request *request, unsigned places);

/* A judge says what to do with a request of which only the head has come; it takes
 * request->reply where it answers: INTAKE_ANSWERED. It runs in intake's thread. */
typedef struct intake_judgement judge(struct service *service, struct request *request);

#endif
