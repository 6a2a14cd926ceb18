/* What handlers share beside the service itself. */

#include "app/serve/service.h"

#include "app/access/credentials.h"

const char *const service_paths[SERVICE_PATHS] = {
	[SERVICE_EVENTS] = "/events",
	[SERVICE_MSG] = "/msg",
	[SERVICE_HEALTHZ] = "/healthz",
	[SERVICE_METRICS] = "/metrics",
	[SERVICE_STATUS] = "/status",
	[SERVICE_PRESENCE] = "/presence",
	[SERVICE_OTHER] = "other",
};

bool
service_may_admin(struct service *service, struct request *request, unsigned places)
{
	struct identity id;
	bool may;

	if (request->is_local)
		return true;
	if (!credentials_check(service->auth, request, places, &id))
		return false;
	may = id.may_admin;
	identity_free(&id);
	if (!may) {
		denials_add(auth_denials(service->auth), DENIAL_SCOPE);
		reply_error(&request->reply, 403, NULL,
		    "the token does not have the scope rowcast:admin");
	}
	return may;
}
