/* What handlers share beside the service itself. */

#include "app/serve/service.h"

const char *const service_paths[SERVICE_PATHS] = {
	[SERVICE_EVENTS] = "/events",
	[SERVICE_MSG] = "/msg",
	[SERVICE_HEALTHZ] = "/healthz",
	[SERVICE_METRICS] = "/metrics",
	[SERVICE_STATUS] = "/status",
	[SERVICE_PRESENCE] = "/presence",
	[SERVICE_OTHER] = "other",
};

void
service_deny_scope(struct service *service, struct request *request)
{
	denials_add(auth_denials(service->auth), DENIAL_SCOPE);
	reply_error(&request->reply, 403, NULL, "the token does not have the scope rowcast:admin");
}
