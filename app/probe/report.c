/* What a probe has found, and the table of what to change. */

#include "app/probe/report.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *sign;    /* what its Server field has */
	const char *cures[CURE_N];
} servers[] = {
	{ "lighttpd", {
		[CURE_HELD] = "server.stream-response-body = 2 (0, the default, collects the whole answer)",
		[CURE_PACKED] = "leave text/event-stream out of deflate.mimetypes",
		[CURE_CUT] = "server.max-write-idle = 360, and no short read-timeout in fastcgi.server or proxy.server",
		[CURE_DEPARTED] = "nothing to set: it is noticed by the second heartbeat; look at what stands before lighttpd",
		[CURE_CACHED] = "no setenv.set-response-header and no mod_expire for these paths",
		[CURE_CREDENTIALS] = "nothing takes Authorization off in lighttpd: look at mod_auth, and at what stands before it",
		[CURE_HTTP_2] = "server.feature-flags += ( \"server.h2proto\" => \"enable\" )",
		[CURE_FEW] = "no setting changes the 8 of lighttpd: one stream for all tabs (rowcast.js does so), or nginx or Apache in front",
	} },
	{ "Apache", {
		[CURE_HELD] = "ProxySet flushpackets=on in rowcast's <Proxy>; in front of another web server, ProxyPass ... flushpackets=on",
		[CURE_PACKED] = "SetEnv no-gzip 1 and SetEnv no-brotli 1 for these paths: mod_deflate and mod_brotli collect what they pack",
		[CURE_CUT] = "timeout=360 in ProxySet or ProxyPass, or ProxyTimeout 360, and no short Timeout",
		[CURE_DEPARTED] = "nothing to set: it is noticed by the next heartbeat; look at what stands before Apache",
		[CURE_CACHED] = "no Header set, no mod_expires and no mod_cache for these paths",
		[CURE_CREDENTIALS] = "CGIPassAuth On for these paths",
		[CURE_HTTP_2] = "a2enmod http2, Protocols h2 http/1.1, and mpm_event, since mpm_prefork has no HTTP/2",
		[CURE_FEW] = "no setting changes the 6 that it begins with; they grow with each request that is answered, to H2MaxSessionStreams and H2MaxWorkers, and fall with each stream that is broken off: one stream for all tabs (rowcast.js does so)",
	} },
	{ "nginx", {
		[CURE_HELD] = "proxy_buffering off and proxy_http_version 1.1 in front of another web server; fastcgi_buffering off in front of rowcast; no proxy_ignore_headers or fastcgi_ignore_headers X-Accel-Buffering",
		[CURE_PACKED] = "gzip off (and brotli off) for these paths: each stream costs a compressor",
		[CURE_CUT] = "fastcgi_read_timeout 360s (proxy_read_timeout in front of another web server) and send_timeout 360s",
		[CURE_DEPARTED] = "fastcgi_ignore_client_abort off (proxy_ignore_client_abort in front of another web server)",
		[CURE_CACHED] = "no expires, no add_header Cache-Control, no fastcgi_cache and no proxy_cache for these paths",
		[CURE_CREDENTIALS] = "no fastcgi_param HTTP_AUTHORIZATION and no proxy_set_header Authorization that is empty",
		[CURE_HTTP_2] = "listen 443 ssl http2 (from 1.25.1: http2 on)",
		[CURE_FEW] = "http2_max_concurrent_streams, 128 if unset",
	} },
};
enum { N_SERVERS = sizeof(servers) / sizeof(servers[0]) };

static void __attribute__((format(printf, 2, 0)))
print(const char *kind, const char *format, va_list args)
{
	printf("%-6s", kind);
	vprintf(format, args);
	putchar('\n');
	fflush(stdout);  /* who watches should not think that it hangs */
}

#define PRINT(kind) \
	do { \
		va_list args; \
		va_start(args, format); \
		print(kind, format, args); \
		va_end(args); \
	} while (0)

void
report_good(struct report *report __attribute__((unused)), const char *format, ...)
{
	PRINT("ok");
}

void
report_note(struct report *report __attribute__((unused)), const char *format, ...)
{
	PRINT("note");
}

void
report_fault(struct report *report, const char *format, ...)
{
	PRINT("FAULT");
	report->n_faults++;
}

void
report_more(const char *format, ...)
{
	PRINT("");
}

void
report_cure(struct report *report, enum cure cure)
{
	bool is_known = false;

	for (size_t i = 0; i < N_SERVERS && report->server != NULL; i++) {
		if (strstr(report->server, servers[i].sign) == NULL)
			continue;
		is_known = true;
		report_more("%s: %s", servers[i].sign, servers[i].cures[cure]);
	}
	for (size_t i = 0; i < N_SERVERS && !is_known; i++)
		report_more("where it is %s: %s", servers[i].sign, servers[i].cures[cure]);
}
